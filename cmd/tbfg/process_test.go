package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program of ours that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   output // what it says on standard error
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a program, which is killed at the end of the test if need be.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t.Context(), t, env, args...), ended: make(chan struct{})}
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may be gone
		<-p.ended
		if t.Failed() {
			t.Logf("%v said:\n%s", args, p.log.String())
		}
	})
	return p
}

// until waits for something that the process does.
func (p *process) until(what string, done func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		select {
		case <-p.ended:
			if done() {
				return
			}
			p.t.Fatalf("it ended (%v) before: %s", p.err, what)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("this does not happen: %s", what)
		}
	}
}

// says waits until a text is in the log.
func (p *process) says(text string) {
	p.t.Helper()
	p.until("it says "+text, func() bool { return strings.Contains(p.log.String(), text) })
}

// ready waits for the PID file.
func (p *process) ready(pidFile string) {
	p.t.Helper()
	p.until("the PID file", func() bool {
		_, err := os.Stat(pidFile)
		return err == nil
	})
	text, err := os.ReadFile(pidFile)
	if err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(p.cmd.Process.Pid) {
		p.t.Fatalf("got the PID file %q, %v; want %d", text, err, p.cmd.Process.Pid)
	}
}

// stop sends a signal and returns the exit status.
func (p *process) stop(signal syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	return p.end()
}

// end waits for the end and returns the exit status.
func (p *process) end() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("it does not end")
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}
