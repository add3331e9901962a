package history

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// A Farm is "tbfg serve" in a process of its own, which can be killed and
// started again at the same addresses.
type Farm struct {
	AgentURL, ClientURL, FrontURL string
	Dir                           string // of its state

	t       testing.TB
	program string
	env     []string
	config  string // file name
	log     string // file name
	serve   *machine.Process

	mu sync.Mutex    // guards up
	up chan struct{} // closed while it is up
}

// NewFarm prepares a farm that fetches derivations from a URL. Its state is in
// dir, its configuration is not; change, which may be nil, changes that.
func NewFarm(t testing.TB, dir, derivations string, change func(*config.Config), env ...string) *Farm {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	f := &Farm{Dir: dir, t: t, program: file, env: env, up: make(chan struct{}),
		config: filepath.Join(elsewhere, "config.toml"), log: filepath.Join(elsewhere, "serve.log")}
	conf := config.Default(dir)
	for url, list := range map[*string]*[]string{
		&f.AgentURL: &conf.Coordinator.AgentListen, &f.ClientURL: &conf.Coordinator.ClientListen, &f.FrontURL: &conf.Front.Listen,
	} {
		address := freeAddress(t)
		*list, *url = []string{address}, "http://"+address
	}
	conf.Coordinator.DerivationURLs = []string{derivations}
	conf.Coordinator.SetupRetry = config.Duration(50 * time.Millisecond)
	conf.Coordinator.MaxSetupRetry = config.Duration(200 * time.Millisecond)
	// It is to do only what it is asked for, so that all it does is explained.
	conf.Coordinator.SubmitMissing, conf.Coordinator.Lease, conf.Coordinator.RetryFailures = false, 0, 0
	conf.LogLevel = "error"
	if change != nil {
		change(&conf)
	}
	text, err := conf.TOML()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Kill()
		if t.Failed() {
			t.Logf("the end of the farm's log:\n%s", f.serve.Tail(40))
		}
	})
	return f
}

// freeAddress is an address that nobody listens at now. The kernel gives none
// of these ports to connections, so that it stays free while the farm is down.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// Start starts the farm and waits until it answers.
func (f *Farm) Start() {
	f.t.Helper()
	if err := f.TryStart(); err != nil {
		f.t.Fatal(err)
	}
}

// TryStart is Start for a farm that may have reasons not to start.
func (f *Farm) TryStart() error {
	if err := f.launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for _, url := range []string{f.AgentURL, f.ClientURL, f.FrontURL} {
		if err := f.serve.WaitAccept(ctx, "tcp", url[len("http://"):]); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.up)
	return nil
}

func (f *Farm) launch() (err error) {
	cmd := exec.Command(f.program, "serve", "--config="+f.config)
	cmd.Env = append(os.Environ(), f.env...)
	f.serve, err = machine.Launch(cmd, f.log)
	return err
}

// FalseStart starts the farm and kills it after a while, ready or not.
func (f *Farm) FalseStart(after time.Duration) {
	f.t.Helper()
	if err := f.launch(); err != nil {
		f.t.Fatal(err)
	}
	<-time.After(after)
	f.serve.Kill()
}

// Kill ends the farm without warning.
func (f *Farm) Kill() {
	if f.serve == nil {
		return
	}
	f.mu.Lock()
	select {
	case <-f.up:
		f.up = make(chan struct{})
	default:
	}
	f.mu.Unlock()
	f.serve.Kill()
}

// Pid is the farm's process.
func (f *Farm) Pid() int { return f.serve.Pid() }

// Died is closed if the farm ends by itself.
func (f *Farm) Died() <-chan struct{} { return f.serve.Done() }

// Wait waits until the farm is up.
func (f *Farm) Wait(ctx context.Context) error {
	f.mu.Lock()
	up := f.up
	f.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// LogText is what the log endpoint says of a build.
func (f *Farm) LogText(ctx context.Context, build string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.FrontURL+"/build/"+build+"/log", nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}
