package system

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A host is a machine with the program installed under its three names.
type host struct {
	*machine.Machine
	t    *testing.T
	ctx  context.Context // of the whole test
	conn *guixdaemon.Conn
	shop *toy.Shop
}

// patience is how long anything may take. It is met only when something
// hangs: the machine may be slow, and busy with other tests.
const patience = 2 * time.Minute

// newHost is a machine on which guix-daemon does not run yet.
func newHost(t *testing.T, suites ...string) *host {
	t.Helper()
	program, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Machine: machine.New(t, suites...), t: t, ctx: t.Context()}
	// Not by Install: a child that another test starts at that moment would
	// have the file open for writing too, and such a file cannot be run.
	if out, err := exec.Command("cp", program, h.Path("/usr/bin")).CombinedOutput(); err != nil {
		t.Fatalf("install tbfg: %v: %s", err, out)
	}
	for _, name := range []string{"guix-build-coordinator", "guix-build-coordinator-agent"} {
		if err := os.Symlink("tbfg", h.Path("/usr/bin/")+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// newBuilder is a machine on which guix-daemon runs, with a shop that fills
// its store.
func newBuilder(t *testing.T, suites ...string) *host {
	t.Helper()
	h := newHost(t, suites...)
	h.startDaemon()
	h.openShop()
	return h
}

// startDaemon starts guix-daemon. It has no substitute servers, and in
// particular not those that it is compiled with, unless an argument says so.
func (h *host) startDaemon(args ...string) {
	h.t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--substitute-urls=") {
		args = append(args, "--substitute-urls=")
	}
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	if _, err := h.Daemon(ctx, args...); err != nil {
		h.t.Fatal(err)
	}
}

// openShop connects to the daemon. What the shop adds is safe from the
// garbage collector until closeShop.
func (h *host) openShop() {
	h.t.Helper()
	h.conn = h.dial()
	shop, err := toy.Open(h.ctx, h.conn, h.Path("/"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.shop = shop
}

func (h *host) closeShop() { h.conn.Close() }

// dial is a connection to the daemon that lasts until the end of the test.
func (h *host) dial() *guixdaemon.Conn {
	h.t.Helper()
	conn, err := guixdaemon.Dial(h.ctx, h.Socket())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	// Otherwise the daemon starts "guix offload", a Guile program, for each build.
	if err := conn.SetOptions(h.ctx, guixdaemon.Options{Offload: false}); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// add makes a derivation and adds it to the store.
func (h *host) add(r toy.Recipe) *toy.Drv {
	h.t.Helper()
	drv, err := h.shop.Add(h.ctx, r)
	if err != nil {
		h.t.Fatal(err)
	}
	return drv
}

// build has the daemon build something, without the farm.
func (h *host) build(drv *toy.Drv) {
	h.t.Helper()
	if err := h.conn.Build(h.ctx, []string{string(drv.Path)}, guixdaemon.Normal); err != nil {
		h.t.Fatal(err)
	}
}

// A reply is what a command wrote, and how it ended.
type reply struct {
	out, err string
	status   int
}

// command runs a program of the machine with a further variable or more.
func (h *host) command(env []string, name string, args ...string) reply {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	cmd := h.Command(ctx, name, args...)
	cmd.Env = append(cmd.Env, env...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatalf("run %s %q: %v", name, args, err)
	}
	return reply{out.String(), diag.String(), cmd.ProcessState.ExitCode()}
}

// do runs a program of the machine that must succeed, and returns its output.
func (h *host) do(name string, args ...string) string {
	h.t.Helper()
	out, err := h.Run(h.ctx, name, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// read is a file of the machine; empty if there is none.
func (h *host) read(inside string) string {
	h.t.Helper()
	data, err := os.ReadFile(h.Path(inside))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(data)
}

func (h *host) write(inside, text string, mode os.FileMode) {
	h.t.Helper()
	if err := h.WriteFile(inside, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

// sql runs statements with the real sqlite3.
func (h *host) sql(database, statements string) string {
	h.t.Helper()
	return h.do("sqlite3", database, statements)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
		select {
		case <-time.After(pause):
		case <-t.Context().Done():
			t.Fatalf("the test ended before: %s", what)
		}
	}
}
