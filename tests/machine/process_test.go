package machine

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func launch(t *testing.T, log, script string) *Process {
	t.Helper()
	p, err := Launch(exec.Command("sh", "-c", script), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestWaitLineReadsOnlyWholeLinesOfItsOwnProcess(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	first := launch(t, log, "echo ready 1")
	<-first.Done()
	second := launch(t, log, "printf 'ready'; sleep 0.1; echo ' 2'; exec sleep 1000")
	got, err := second.WaitLine(t.Context(), `^ready ?(.*)$`)
	if err != nil || got[1] != "2" {
		t.Errorf("got %q, %v, want 2", got, err)
	}
}

func TestWaitingFailsWhenTheProcessEnds(t *testing.T) {
	t.Parallel()
	p := launch(t, filepath.Join(t.TempDir(), "log"), "echo no luck; exit 3")
	_, err := p.WaitLine(t.Context(), "never")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("got %v, want the status and the log", err)
	}
	if err := p.WaitAccept(t.Context(), "unix", "/nonexistent"); err == nil {
		t.Error("a dead process accepts connections")
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	p := launch(t, filepath.Join(t.TempDir(), "log"), "exec sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.WaitLine(ctx, "never"); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestStopAsksFirst(t *testing.T) {
	t.Parallel()
	p := launch(t, filepath.Join(t.TempDir(), "log"), "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
	if _, err := p.WaitLine(t.Context(), "up"); err != nil {
		t.Fatal(err)
	}
	p.Stop(time.Minute)
	if out, _ := p.Output(); !strings.HasSuffix(out, "bye\n") || p.Err() != nil {
		t.Errorf("got %q, %v, want a farewell", out, p.Err())
	}
	p.Stop(0)
}

func TestStopKillsTheWholeGroupInTheEnd(t *testing.T) {
	t.Parallel()
	p := launch(t, filepath.Join(t.TempDir(), "log"), "trap '' TERM; sleep 1000 & echo $!; wait; wait")
	if _, err := p.WaitLine(t.Context(), `^\d+$`); err != nil {
		t.Fatal(err)
	}
	p.Stop(10 * time.Millisecond)
	// Those killed stay in the group until init has reaped them.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for syscall.Kill(-p.Pid(), 0) != syscall.ESRCH {
		if ctx.Err() != nil {
			t.Fatal("the group outlives its leader")
		}
		runtime.Gosched()
	}
}
