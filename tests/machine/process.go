package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Process is a program that runs beside the caller and writes a log.
// It dies with the process that launched it.
type Process struct {
	// Log is the name of the file that has the program's output. A program
	// that is launched again appends to it.
	Log string

	cmd   *exec.Cmd
	start int64         // where the output of this process begins in Log
	done  chan struct{} // closed when the process has ended
	err   error         // how it ended; readable once done is closed
}

// Launch starts cmd with its output going to the end of the file log.
// The program gets a process group of its own.
func Launch(cmd *exec.Cmd, log string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("launch %s: %w", cmd.Path, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("launch %s: %w", cmd.Path, err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := onLastingThread(cmd.Start); err != nil {
		return nil, fmt.Errorf("launch %s: %w", cmd.Path, err)
	}
	p := &Process{Log: log, cmd: cmd, start: st.Size(), done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // those of its group that it left behind
		close(p.done)
	}()
	return p, nil
}

// onLastingThread calls f in a thread that lives as long as this process.
// The kernel sends the signal at the parent's death when the thread dies that
// started the child, and a thread of the Go runtime may.
func onLastingThread(f func() error) error {
	err := make(chan error)
	lastingThread() <- func() { err <- f() }
	return <-err
}

var lastingThread = sync.OnceValue(func() chan<- func() {
	calls := make(chan func()) // never closed
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			f()
		}
	}()
	return calls
})

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err tells, once Done is closed, how the process ended; nil for exit status 0.
func (p *Process) Err() error { return p.err }

// Signal sends a signal to the process alone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop asks the process and its group to end, kills them after the grace, and
// waits. It may be called more than once, and after the end.
func (p *Process) Stop(grace time.Duration) {
	select {
	case <-p.done:
		return // the number may be somebody else's by now
	default:
	}
	syscall.Kill(-p.Pid(), syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Kill ends the process and its group at once, and waits.
func (p *Process) Kill() {
	select {
	case <-p.done:
	default:
		syscall.Kill(-p.Pid(), syscall.SIGKILL)
		<-p.done
	}
}

// Output is what the process has written until now.
func (p *Process) Output() (string, error) {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return "", err
	}
	return string(data[min(p.start, int64(len(data))):]), nil
}

// Tail is the last lines that the process has written, for messages.
func (p *Process) Tail(lines int) string {
	out, err := p.Output()
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(out, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// WaitLine waits until the process has written a whole line that matches,
// and returns the submatches. It fails when the process ends without.
func (p *Process) WaitLine(ctx context.Context, pattern string) ([]string, error) {
	re, err := regexp.Compile("(?m:" + pattern + ")")
	if err != nil {
		return nil, err
	}
	var found []string
	err = p.poll(ctx, "write a line that matches "+pattern, func() bool {
		data, err := os.ReadFile(p.Log)
		if err != nil {
			return false
		}
		data = data[min(p.start, int64(len(data))):]
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		found = re.FindStringSubmatch(string(data))
		return found != nil
	})
	return found, err
}

// WaitAccept waits until somebody accepts connections at the address,
// "unix" or "tcp". It fails when the process ends before.
func (p *Process) WaitAccept(ctx context.Context, network, address string) error {
	return p.poll(ctx, "accept connections at "+address, func() bool {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// poll tries until it succeeds, the process ends or the context is done. Its
// pauses grow from 1 to 50 ms: neither a log nor a socket tells when it is ready.
func (p *Process) poll(ctx context.Context, what string, try func() bool) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		ended := false
		select {
		case <-p.done:
			ended = true // one last look: it may have been ready before
		default:
		}
		if try() {
			return nil
		}
		if ended {
			return fmt.Errorf("wait for %s to %s: it ended: %w\n%s", p.cmd.Path, what, errOr(p.err, errExited), p.Tail(20))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to %s: %w\n%s", p.cmd.Path, what, context.Cause(ctx), p.Tail(20))
		case <-p.done:
		case <-time.After(pause):
		}
	}
}

var errExited = errors.New("exit status 0")

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
