package guixdaemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A machine is where a real guix-daemon runs whose store is there to be thrown
// away. TBFG_TEST_DAEMON is its address; if that is a socket at its usual place
// under some directory, that directory is the daemon's root as the test sees
// it. TBFG_TEST_SHELL is a static bash, which builds everything here. Guix 1.2
// wants an /etc/hosts and an /etc/services there to build fixed outputs.
type machine struct {
	address string
	local   bool   // the daemon's files can be seen
	root    string // what precedes their names here
	shell   string
	run     string // makes this run's items new ones
}

func realDaemon(t *testing.T) *machine {
	t.Helper()
	m := &machine{
		address: os.Getenv("TBFG_TEST_DAEMON"),
		shell:   os.Getenv("TBFG_TEST_SHELL"),
		run:     fmt.Sprintf("%x", time.Now().UnixNano()),
	}
	if m.address == "" || m.shell == "" {
		// tests/system runs these tests with a daemon, and fails if it can't.
		t.Skip("TBFG_TEST_DAEMON and TBFG_TEST_SHELL do not name a guix-daemon and a static bash to test with")
	}
	if root, ok := strings.CutSuffix(strings.TrimPrefix(m.address, "unix://"), DefaultSocket); ok {
		m.local, m.root = true, root
	}
	return m
}

// ctx is long enough for anything here and short enough to find a hang.
func (m *machine) ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (m *machine) dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(m.ctx(t), m.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// text adds a small file that no other run has added.
func (m *machine) text(t *testing.T, c *Conn, name string) storepath.Path {
	t.Helper()
	p, err := c.AddTextToStore(m.ctx(t), name, []byte(name+m.run), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// addShell adds the shell, which is then safe as long as c.
func (m *machine) addShell(t *testing.T, c *Conn) storepath.Path {
	t.Helper()
	p, err := c.AddToStore(m.ctx(t), "bash", true, func(w io.Writer) error { return nar.Dump(w, m.shell) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// derivation adds one that runs script with the shell; change, which may be
// nil, makes it a special one.
func (m *machine) derivation(t *testing.T, c *Conn, name, script string, change func(*derivation.Derivation)) (drv, out storepath.Path) {
	t.Helper()
	shell := m.addShell(t, c)
	systems := map[string]string{"amd64": "x86_64-linux", "arm64": "aarch64-linux", "386": "i686-linux"}
	d := &derivation.Derivation{
		Outputs: []derivation.Output{{Name: "out"}},
		Sources: []storepath.Path{shell},
		System:  systems[runtime.GOARCH],
		Builder: string(shell),
		Args:    []string{"-c", script},
		Env:     []derivation.EnvVar{{Name: "run", Value: m.run}},
	}
	if change != nil {
		change(d)
	}
	if err := d.Fill(derivation.NewModulo(shell.Dir(), nil), name); err != nil {
		t.Fatal(err)
	}
	drv, err := c.AddTextToStore(m.ctx(t), name+".drv", d.Bytes(), d.Sources)
	if err != nil {
		t.Fatal(err)
	}
	return drv, d.Outputs[0].Path
}

func TestRealDaemonAdds(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)

	sum, size, err := nar.Hash(m.shell)
	if err != nil {
		t.Fatal(err)
	}
	shell := m.addShell(t, c)
	want, err := shell.Dir().Source("bash", sum, nil)
	if err != nil || shell != want {
		t.Errorf("add-to-store, recursive: got %s, want %s, %v", shell, want, err)
	}
	info, err := c.QueryPathInfo(ctx, shell)
	if err != nil {
		t.Fatal(err)
	}
	if info.NarHash != sum || info.NarSize != uint64(size) || info.Deriver != "" || info.References != nil {
		t.Errorf("query-path-info: got %+v, want hash %x and size %d", info, sum, size)
	}
	if age := time.Since(info.Registered); age < -time.Minute || age > 365*24*time.Hour {
		t.Errorf("registered %v ago", age)
	}

	content := []byte("flat " + m.run)
	flat, err := c.AddToStore(ctx, "flat", false,
		archive("nix-archive-1", "(", "type", "regular", "contents", string(content), ")"))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(content)
	if want, err := flat.Dir().FixedOutput("flat", false, "sha256", hash[:]); err != nil || flat != want {
		t.Errorf("add-to-store, flat: got %s, want %s, %v", flat, want, err)
	}

	refs := []storepath.Path{shell, flat}
	text, err := c.AddTextToStore(ctx, "text", []byte("\xff\x00"+m.run), refs)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := text.Dir().Text("text", []byte("\xff\x00"+m.run), refs); err != nil || text != want {
		t.Errorf("add-text-to-store: got %s, want %s, %v", text, want, err)
	}
	got, err := c.QueryReferences(ctx, text)
	slices.Sort(refs)
	slices.Sort(got)
	if diff := cmp.Diff(refs, got); diff != "" || err != nil {
		t.Errorf("query-references: %v (-want +got):\n%s", err, diff)
	}
	if m.local {
		if got, err := os.ReadFile(m.root + string(text)); err != nil || string(got) != "\xff\x00"+m.run {
			t.Errorf("the file in the store: got %q, %v", got, err)
		}
	}
}

func TestRealDaemonRefusesABadArchive(t *testing.T) {
	m := realDaemon(t)
	c := m.dial(t)
	_, err := c.AddToStore(m.ctx(t), "bad", true, func(w io.Writer) error {
		for { // until the connection breaks
			if _, err := w.Write(wire("no archive", "(", "type", "regular")); err != nil {
				return err
			}
		}
	})
	var said *Error
	if !errors.As(err, &said) {
		t.Errorf("got %v, want the daemon's words", err)
	}
	t.Log(err)
	wantDead(t, c, io.ErrUnexpectedEOF)
}

func TestRealDaemonAnswersQueries(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)
	here := m.text(t, c, "here")
	missing, err := here.Dir().Text("missing", []byte(m.run), nil)
	if err != nil {
		t.Fatal(err)
	}

	for path, want := range map[storepath.Path]bool{here: true, missing: false} {
		if got, err := c.IsValidPath(ctx, path); got != want || err != nil {
			t.Errorf("valid-path? %s: got %v, %v", path, got, err)
		}
	}
	// A name outside the store is an error, after which the daemon goes on.
	var said *Error
	if _, err := c.IsValidPath(ctx, "/etc/passwd"); !errors.As(err, &said) {
		t.Errorf("valid-path? /etc/passwd: got %v, want an Error", err)
	}
	if got, err := c.QueryValidPaths(ctx, []storepath.Path{missing, here}); !slices.Equal(got, []storepath.Path{here}) || err != nil {
		t.Errorf("query-valid-paths: got %v, %v", got, err)
	}
	if got, err := c.QueryPathFromHashPart(ctx, here.HashPart()); got != here || err != nil {
		t.Errorf("query-path-from-hash-part: got %s, %v", got, err)
	}
	if got, err := c.QueryPathFromHashPart(ctx, missing.HashPart()); got != "" || err != nil {
		t.Errorf("query-path-from-hash-part of nothing: got %s, %v", got, err)
	}
	if _, err := c.QueryPathInfo(ctx, missing); !errors.As(err, &said) || !strings.Contains(said.Message, "is not valid") {
		t.Errorf("query-path-info of nothing: got %v, want an Error", err)
	}
	if err := c.EnsurePath(ctx, here); err != nil {
		t.Errorf("ensure-path: %v", err)
	}
	if err := c.EnsurePath(ctx, missing); !errors.As(err, &said) || said.Status != StatusOther {
		t.Errorf("ensure-path of nothing: got %v, want an Error of status 1", err)
	}
	if got, err := c.QuerySubstitutablePathInfos(ctx, []storepath.Path{missing}); len(got) != 0 || err != nil {
		t.Errorf("query-substitutable-path-infos: got %v, %v", got, err)
	}
	if got, err := c.BuiltinBuilders(ctx); !slices.Contains(got, "download") || err != nil {
		t.Errorf("built-in-builders: got %v, %v", got, err)
	}
	urls, err := c.SubstituteURLs(ctx)
	if known := c.ServerVersion() >= 0x164; known && err != nil || !known && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("substitute-urls of %#x: got %v, %v", c.ServerVersion(), urls, err)
	}
	t.Logf("protocol %#x, substitute servers %v", c.ServerVersion(), urls)
}

func TestRealDaemonKeepsRoots(t *testing.T) {
	m := realDaemon(t)
	if strings.HasPrefix(m.address, "guix://") {
		t.Skip("guix-daemon collects no garbage for clients over TCP")
	}
	c, ctx := m.dial(t), m.ctx(t)
	var said *Error

	first := m.dial(t)
	path := m.text(t, first, "rooted")
	if err := c.AddTempRoot(ctx, path); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := m.dial(t).DeletePaths(ctx, []storepath.Path{path}); !errors.As(err, &said) {
		t.Errorf("delete a temporary root: got %v, want an Error", err)
	}

	if m.local {
		link := filepath.Join("/tmp", "tbfg-root-"+m.run)
		if err := os.Symlink(string(path), m.root+link); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(m.root + link)
		if err := c.AddIndirectRoot(ctx, link); err != nil {
			t.Fatal(err)
		}
		if err := c.SyncWithGC(ctx); err != nil {
			t.Errorf("sync-with-gc: %v", err)
		}
		roots, err := c.FindRoots(ctx)
		if want := (Root{Name: link, Target: path}); !slices.Contains(roots, want) || err != nil {
			t.Errorf("find-roots: got %v, %v, want %v among them", roots, err, want)
		}
		c.Close()
		c = m.dial(t)
		if _, err := c.DeletePaths(ctx, []storepath.Path{path}); !errors.As(err, &said) {
			t.Errorf("delete an indirect root: got %v, want an Error", err)
		}
		live, _, err := c.CollectGarbage(ctx, GCReturnLive, nil, 0)
		if !slices.Contains(live, string(path)) || err != nil {
			t.Errorf("what is live: got %v, %v, want %s among it", live, err, path)
		}
		os.Remove(m.root + link)
	}
	c.Close()

	// The daemon's processes for closed connections need a moment to go.
	c = m.dial(t)
	m.eventually(t, "the item is garbage", func() bool {
		dead, _, err := c.CollectGarbage(ctx, GCReturnDead, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(dead, string(path))
	})
	freed, err := c.DeletePaths(ctx, []storepath.Path{path})
	if freed == 0 || err != nil {
		t.Errorf("delete: freed %d, %v", freed, err)
	}
	if valid, err := c.IsValidPath(ctx, path); valid || err != nil {
		t.Errorf("valid after deleting: %v, %v", valid, err)
	}
}

// eventually waits for what other processes do.
func (m *machine) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("not within a minute: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
