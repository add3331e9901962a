package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"codeberg.org/tbfg/tbfg/tests/machine"

	"golang.org/x/sys/unix"
)

// A session is a run of the demo as make starts it.
type session struct {
	t   *testing.T
	cmd *exec.Cmd

	mu  sync.Mutex
	out bytes.Buffer // what it said, guarded by mu
}

func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *session) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// start starts the demo in a process group of its own, as a shell does.
func start(t *testing.T, environment ...string) *session {
	t.Helper()
	machine.Root(t) // skips where it cannot be had, but not under CI
	// Whatever the demo leaves running becomes a child of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &session{t: t, cmd: exec.CommandContext(ctx, "go", "run", ".")}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	s.cmd.Env = append(os.Environ(), "GUIX_DAEMON_SOCKET=/nonexistent", "KEEP=")
	s.cmd.Env = append(s.cmd.Env, environment...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT) }
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the demo said:\n%s", s.said())
		}
	})
	return s
}

// interrupt does what Ctrl-C in a terminal does.
func (s *session) interrupt() { syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT) }

// until waits until the demo has said something.
func (s *session) until(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(s.said(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the demo never said %q", text)
		}
	}
}

// end waits for the demo's end and checks that nothing is left of it.
func (s *session) end() (status int) {
	s.t.Helper()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left := leftovers(s.t)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			s.t.Errorf("processes left: %q", left)
			break
		}
	}
	if m := regexp.MustCompile(`machine +(/tmp/tbfg-\d+)/root`).FindStringSubmatch(s.said()); m != nil {
		checkGone(s.t, m[1])
	}
	return s.cmd.ProcessState.ExitCode()
}

// leftovers lists the living descendants of this process.
func leftovers(t *testing.T) (commands []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := make(map[int][]int)
	names := make(map[int]string)
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		// The name is in parentheses and may have anything in it.
		i, j := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
		pid, _ := strconv.Atoi(strings.TrimSpace(string(data[:i])))
		var state string
		var parent int
		if _, err := fmt.Sscan(string(data[j+1:]), &state, &parent); err != nil {
			t.Fatal(err)
		}
		children[parent] = append(children[parent], pid)
		// The go command may leave one of its own, to count its uses.
		if name := string(data[i+1 : j]); state != "Z" && name != "go" {
			names[pid] = name
		}
	}
	for todo := children[os.Getpid()]; len(todo) > 0; todo = todo[1:] {
		if name := names[todo[0]]; name != "" {
			commands = append(commands, name)
		}
		todo = append(todo, children[todo[0]]...)
	}
	return commands
}

// checkGone checks that a machine is gone, or that its name is in use again.
func checkGone(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		t.Errorf("nobody owns the machine %s, and it is still there", dir)
	}
}

func TestDemo(t *testing.T) {
	s := start(t)
	if status := s.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	said := s.said()
	for _, want := range []string{
		"\n== 40 packages to build ==\n",
		"\n39 builds submitted for its inputs\nbuild submitted as ",
		" of 40 builds over, ",
		"\ndemo-gmp            built\n",
		"\ndemo-flint          failed   with exit code 1\n",
		"\ndemo-sage           blocked  by demo-flint, demo-scipy\n",
		"\n25 built, 4 failed, 11 blocked, of 40.\n",
		"\nVerified: ",
		"\nfmpz_mat/lll.c:214:15: error: too few arguments to function 'mpfr_set_z'\n",
		"/builds\n", "/agents\n", "/build/UUID/log\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the demo did not say %q", want)
		}
	}
	if strings.Contains(said, "\x1b") {
		t.Error("there are escape sequences in a pipe")
	}
	for line := range strings.Lines(said) {
		// What tbfg says itself, and names of files, may be longer.
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > columns && !strings.Contains(line, "/") && !strings.Contains(line, " builds over") {
			t.Errorf("too long: %q", line)
		}
	}
}

// TestInterrupted presses Ctrl-C, twice, at several moments.
func TestInterrupted(t *testing.T) {
	for _, moment := range []string{
		"== A Guix to build with ==", // and not much is there to undo
		"== The farm ==",             // the program is being built
		"build submitted as",         // it works
	} {
		t.Run(moment, func(t *testing.T) {
			s := start(t)
			s.until(moment)
			s.interrupt()
			time.AfterFunc(20*time.Millisecond, s.interrupt)
			if status := s.end(); status == 0 {
				t.Error("got exit status 0")
			}
			if said := s.said(); !strings.Contains(said, "demo: interrupted; cleaning up\n") || strings.Contains(said, "Verified") {
				t.Error("it did not say that it was interrupted, or went on")
			}
		})
	}
}

// TestKeep keeps the farm, has a look at it, and then kills "go run", which
// passes nothing on.
func TestKeep(t *testing.T) {
	s := start(t, "KEEP=1")
	s.until("type this first")
	url := regexp.MustCompile(`builds +(http://\S+)`).FindStringSubmatch(s.said())
	if url == nil {
		t.Fatal("it names no URL")
	}
	resp, err := http.Get(url[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(out), "demo-workstation.drv") {
		t.Errorf("got %.200q, %v from %s", out, err, url[1])
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.end()
}

// TestOnAGuixMachine runs the demo where a guix-daemon runs already: inside a
// machine.
func TestOnAGuixMachine(t *testing.T) {
	m := machine.New(t)
	if _, err := m.Daemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, pkg := range map[string]string{"demo": ".", "tbfg": programPackage} {
		cmd := exec.Command("go", "build", "-tags", "netgo,osusergo,sqlite_omit_load_extension",
			"-ldflags", `-linkmode external -extldflags "-static"`, "-o", filepath.Join(dir, name), pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
		if err := m.Install(filepath.Join(dir, name), "/root/"+name); err != nil {
			t.Fatal(err)
		}
	}
	cmd := m.Command(t.Context(), "/root/demo")
	cmd.Env = append(cmd.Env, "TBFG_PROGRAM=/root/tbfg")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "A guix-daemon runs on this machine") || !strings.Contains(string(out), "\nVerified: ") {
		t.Errorf("got %v\n%s", err, out)
	}
}
