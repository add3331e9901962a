package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errInterrupted = errors.New("interrupted; cleaning up")
	errAlone       = errors.New("the go command is gone; cleaning up")
)

// untilInterrupted is a context that ends when this process is told to stop in
// whatever way. More of the same is ignored: all that is left then is to clean up.
func untilInterrupted(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	// SIGPIPE comes when nobody reads the output any more, as in "make demo | head".
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()
	go func() {
		if waitForGoRun() {
			cancel(errAlone)
		}
	}()
	return ctx
}

// waitForGoRun waits for the death of the parent if that is the go command;
// otherwise it returns false. A terminal interrupts us and "go run"
// alike, but who kills make or go by number means us too, and they would not
// pass that on.
func waitForGoRun() bool {
	parent := os.Getppid()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return false
	}
	fd, err := unix.PidfdOpen(parent, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	for os.Getppid() == parent {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
	return true
}

// command prepares a program to run on this machine. When the context is done
// the program is asked to end, with all that it started, and soon killed.
// Ctrl-C reaches it in no other way.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		time.AfterFunc(5*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// interruptedWithUs tells whether a program died of an interrupt. It has a
// process group of its own only once it has begun, so Ctrl-C can hit it in its
// first moment, together with us.
func interruptedWithUs(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}
