// In GOPATH mode test programs have the defaults of an old Go, whose ServeMux
// knows no methods.
//
//go:debug default=go1.25

package courier_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agent/courier"
	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/proxy"

	"github.com/klauspost/compress/gzip"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // requests that fail are logged
	os.Exit(m.Run())
}

// world is a coordinator with an agent that holds a build, and what the agent
// has of it.
type world struct {
	*coordinatortest.Farm
	*courier.Courier
	t     *testing.T
	agent string
	build string
	entry *spool.Entry
}

// newWorld has a proxy with faults between the two.
func newWorld(t *testing.T, faults map[proxy.Fault]int) *world {
	t.Helper()
	w := &world{t: t, Farm: coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepOutputs = true })}
	server := httptest.NewServer(agentapi.Handler(w.Coordinator, http.NotFoundHandler()))
	t.Cleanup(server.Close)
	var password string
	w.agent, password = w.Joined("bedok")
	w.build = w.Added(w.Derivation("hello"))
	w.Given(w.agent, 1)
	address := (&proxy.Proxy{Server: server.Listener.Addr().String(), Random: rand.New(rand.NewPCG(1, 2)), Faults: faults, Within: 200_000}).Start(t)
	api := agentapi.NewClient("http://"+address, w.agent, password)
	api.Patience = 2 * time.Second
	w.Courier = &courier.Courier{API: api, Insist: insist}
	s, err := spool.Open(t.TempDir())
	w.must(err)
	w.entry, err = s.Make(daemon.Allocation{UUID: w.build})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// insist repeats as the agent does, only sooner.
func insist(ctx context.Context, _ string, do func(context.Context) error) error {
	for {
		err := do(ctx)
		var status *wire.StatusError
		if err == nil || errors.As(err, &status) && status.Status < 500 {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// log is the build's log at the coordinator.
func (w *world) log() []byte {
	w.t.Helper()
	f, err := os.Open(w.Logs.File(w.build))
	w.must(err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	w.must(err)
	text, err := io.ReadAll(z)
	w.must(err)
	return text
}

// noise is bytes of every kind, NULs and no line for long among them.
func noise(size int) []byte {
	text := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(text)
	clear(text[size/3 : size/2])
	return text
}

func TestLogsArriveThroughBadNetworks(t *testing.T) {
	for name, faults := range map[string]map[proxy.Fault]int{
		"a good one":          {},
		"one that cuts":       {proxy.Cut: 12},
		"one that duplicates": {proxy.Duplicate: 6},
		"one that stalls":     {proxy.Stall: 1},
		"a very bad one":      {proxy.Cut: 5, proxy.Duplicate: 3, proxy.Stall: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, faults)
			l, err := w.entry.NewLog(0)
			w.must(err)
			defer l.Close()
			sent := make(chan error, 1)
			go func() { sent <- w.Courier.Log(t.Context(), w.entry, l, false) }()
			want := noise(900_000)
			for i := 0; i < len(want); i += 30_000 {
				if _, err := l.Write(want[i:min(len(want), i+30_000)]); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond) // a builder
			}
			l.End()
			w.must(<-sent)
			if got := w.log(); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d that were written", len(got), len(want))
			}
		})
	}
}

func TestALogGoesOnAfterTheAgentWasKilled(t *testing.T) {
	w := newWorld(t, nil)
	want := []byte("one two three")
	l, err := w.entry.NewLog(0)
	w.must(err)
	l.Write(want[:4])
	ctx, kill := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() { sent <- w.Courier.Log(ctx, w.entry, l, false) }()
	for size := int64(0); size < 4; size, _ = w.Logs.Live(w.build) {
		time.Sleep(time.Millisecond)
	}
	kill()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	l.Close()
	again, err := w.entry.OldLog(0)
	w.must(err)
	defer again.Close()
	again.Write(want[4:])
	again.End()
	w.must(w.Courier.Log(t.Context(), w.entry, again, true))
	if got := w.log(); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestACoordinatorThatLostTextGetsItAgain(t *testing.T) {
	w := newWorld(t, nil)
	l, err := w.entry.NewLog(0)
	w.must(err)
	defer l.Close()
	l.Write([]byte("one "))
	sent := make(chan error, 1)
	go func() { sent <- w.Courier.Log(t.Context(), w.entry, l, false) }()
	for size := int64(0); size < 4; size, _ = w.Logs.Live(w.build) {
		time.Sleep(time.Millisecond)
	}
	w.must(w.Logs.Restart(w.build))
	l.Write([]byte("two"))
	l.End()
	w.must(<-sent)
	if got := string(w.log()); got != "one two" {
		t.Errorf("got %q", got)
	}
}

// dumped is a file as an output.
func dumped(t *testing.T, content []byte) daemon.Output {
	t.Helper()
	file := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	sum, size, err := nar.Hash(file)
	if err != nil {
		t.Fatal(err)
	}
	return daemon.Output{Name: "out", Path: storepath.Path(file), Hash: "sha256:" + base32.Encode(sum[:]), Size: size}
}

func TestOutputsArriveThroughBadNetworks(t *testing.T) {
	for _, compression := range courier.Compressions {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[proxy.Fault]int{proxy.Cut: 10, proxy.Duplicate: 2, proxy.Stall: 1})
			w.Configure(1, compression)
			o := dumped(t, noise(900_000))
			w.must(w.Output(t.Context(), w.entry, o))
			m, err := w.Outputs.Meta(w.build, "out")
			if err != nil || m.Hash != o.Hash || m.Size != o.Size || m.Compression != compression {
				t.Errorf("got %+v, %v, want the hash %s and the size %d", m, err, o.Hash, o.Size)
			}
			if left, _ := filepath.Glob(w.entry.File("*")); len(left) > 0 {
				t.Errorf("the spool keeps %q", left)
			}
		})
	}
}

func TestABeginningThatDoesNotFitIsSentAnew(t *testing.T) {
	w := newWorld(t, nil)
	o := dumped(t, noise(100_000))
	// Another compressor's, as the agent was replaced by a newer one.
	var other bytes.Buffer
	z := lzip.NewWriter(&other)
	z.Write(noise(50_000))
	w.must(z.Close())
	body := io.MultiReader(bytes.NewReader(other.Bytes()[:20_000]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := w.SaveOutput(t.Context(), w.agent, w.build, "out", outputs.Part{}, body); err == nil {
		t.Fatal("a broken upload was taken")
	}
	if size, err := w.OutputSize(t.Context(), w.agent, w.build, "out"); err != nil || size == 0 {
		t.Fatalf("got %d bytes, %v", size, err)
	}
	w.must(w.Output(t.Context(), w.entry, o))
	if m, err := w.Outputs.Meta(w.build, "out"); err != nil || m.Hash != o.Hash {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestAnOutputThatIsNotAsTheDaemonSaysIsNotSent(t *testing.T) {
	w := newWorld(t, nil)
	o := dumped(t, []byte("content"))
	sum := sha256.Sum256([]byte("another"))
	o.Hash = "sha256:" + base32.Encode(sum[:])
	if err := w.Output(t.Context(), w.entry, o); err == nil {
		t.Error("it was sent")
	}
	if _, err := w.Outputs.Meta(w.build, "out"); err == nil {
		t.Error("it arrived")
	}
}
