package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roots remembers for each list of suites what FindRoot said.
var roots sync.Map // from strings.Join(suites, " ") to func() (string, error)

// Root is FindRoot for a test. It runs the script once per process. Where
// no root can be made, the test is skipped, except under CI, where it fails:
// a test that is never run proves nothing.
func Root(t testing.TB, suites ...string) string {
	t.Helper()
	f, _ := roots.LoadOrStore(strings.Join(suites, " "), sync.OnceValues(func() (string, error) {
		return FindRoot(context.Background(), suites...)
	}))
	root, err := f.(func() (string, error))()
	if err != nil {
		skip(t, err)
	}
	return root
}

// New starts a machine for a test and closes it after the test. When
// the test has failed, it shows the end of the log of each process of the
// machine. The suites are those of FindRoot.
func New(t testing.TB, suites ...string) *Machine {
	t.Helper()
	m, err := Start(t.Context(), Root(t, suites...))
	if errors.Is(err, unix.EPERM) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			m.mu.Lock()
			for _, p := range m.processes {
				show(t, p)
			}
			m.mu.Unlock()
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Run launches a program on the host for a test and stops it after the test.
// When the test has failed, it shows the end of the program's log.
func Run(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := Launch(cmd, filepath.Join(t.TempDir(), filepath.Base(cmd.Path)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop(5 * time.Second)
		if t.Failed() {
			show(t, p)
		}
	})
	return p
}

func show(t testing.TB, p *Process) {
	t.Helper()
	t.Logf("the end of %s:\n%s", filepath.Base(p.Log), p.Tail(50))
}

func skip(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}
