package system

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A gate stops builders until the test lets them through, and counts them. It
// is a directory in the store to which, unlike all others there, the test
// adds files: the daemon shows builders their inputs as they are at the time.
// It does so read-only, but a fifo can be written to nevertheless.
type gate struct {
	t    *testing.T
	item storepath.Path
	dirs []string // the item on each host, as the test sees it

	mu   sync.Mutex
	came map[string]int // builders that came, by name; guarded by mu
}

// newGate makes a gate for the builders of hosts with shops.
func newGate(hosts ...*host) *gate {
	t := hosts[0].t
	t.Helper()
	source := t.TempDir()
	// Builders tell which gate they are at, and that must not be another test's.
	if err := os.WriteFile(filepath.Join(source, "name"), []byte(rand.Text()), 0o644); err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, came: make(map[string]int)}
	for _, h := range hosts {
		item, err := h.conn.AddToStore(h.ctx, "gate", true, func(w io.Writer) error { return nar.Dump(w, source) })
		if err != nil {
			t.Fatal(err)
		}
		g.item = item // the same everywhere
		dir := h.Path(string(item))
		g.dirs = append(g.dirs, dir)
		g.listen(filepath.Join(dir, "bell"))
	}
	return g
}

// listen makes the fifo to which builders write their names, and counts them
// until the test ends.
func (g *gate) listen(bell string) {
	g.t.Helper()
	if err := syscall.Mkfifo(bell, 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Chmod(bell, 0o666); err != nil { // the umask notwithstanding
		g.t.Fatal(err)
	}
	fifo, err := os.OpenFile(bell, os.O_RDWR, 0) // so that there is always a reader and a writer
	if err != nil {
		g.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for names := bufio.NewScanner(fifo); names.Scan(); {
			g.mu.Lock()
			g.came[names.Text()]++
			g.mu.Unlock()
		}
	}()
	g.t.Cleanup(func() {
		fifo.Close() // ends the scan
		<-done
	})
}

// recipe is one whose builder goes through the gate and then runs a script,
// or, if that is empty, makes its output.
func (g *gate) recipe(name, script string, inputs ...*toy.Drv) toy.Recipe {
	if script == "" {
		script = fmt.Sprintf(`echo %s >"$out"`, name)
	}
	return toy.Recipe{Name: name, Inputs: inputs, Sources: []storepath.Path{g.item},
		Script: fmt.Sprintf("echo %[2]s is at the gate\necho %[2]s >%[1]s/bell\n"+
			"until test -e %[1]s/open-%[2]s; do usleep 10000; done\necho %[2]s is through\n%[3]s", g.item, name, script)}
}

// open lets the builders of that name through, now and later.
func (g *gate) open(name string) {
	g.t.Helper()
	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "open-"+name), nil, 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
}

// count is how many builders of that name have come so far.
func (g *gate) count(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.came[name]
}

// waitCount waits until so many builders of that name have come.
func (g *gate) waitCount(name string, n int) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("%d builders of %s came to the gate", n, name), func() bool { return g.count(name) >= n })
}

// here tells whether a builder of that name lives. Its script is among its
// arguments.
func (g *gate) here(name string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if bytes.Contains(line, fmt.Appendf(nil, "%s/open-%s;", g.item, name)) {
			return true
		}
	}
	return false
}
