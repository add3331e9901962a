package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"golang.org/x/sys/unix"
)

// killAfter is how long a program may go on after SIGTERM.
const killAfter = 5 * time.Second

// program is a hook that is a program.
type program struct {
	command   []string
	killAfter time.Duration
	log       *slog.Logger
}

// tell runs the program in a process group of its own. When ctx ends, the
// group gets SIGTERM and, if the program does not end, SIGKILL. What the
// program leaves behind in its group is killed in any case, so that a hook that
// has ended uses no more of the machine; a daemon that it starts has to leave
// the group, as daemons do.
func (p *program) tell(ctx context.Context, e daemon.HookEvent) error {
	out := &output{left: maxLogged, say: func(line string) {
		p.log.Debug("a hook says", "event", e.Event, "subject", e.Subject, "line", line)
	}}
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Stdin = bytes.NewReader(append(bytes.Clone(e.Arguments), '\n'))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "TBFG_EVENT="+e.Event)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var ended atomic.Bool // then the group's number may be another's
	cmd.Cancel = func() error {
		if ended.Load() {
			return os.ErrProcessDone
		}
		return unix.Kill(-cmd.Process.Pid, unix.SIGTERM)
	}
	// After this time package exec kills the program and, if somebody else
	// has its standard output, reads that no more.
	cmd.WaitDelay = p.killAfter
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the program: %w", err)
	}
	// Until Wait the program, although it has ended, still is there, and no
	// other group can have its number.
	waitErr := untilEnd(cmd.Process.Pid)
	ended.Store(true)
	killErr := unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	err := cmd.Wait()
	tail := out.end()
	if waitErr != nil || killErr != nil && !errors.Is(killErr, unix.ESRCH) {
		p.log.Warn("cannot kill what a hook left behind", "wait", waitErr, "kill", killErr)
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if tail != "" {
		return fmt.Errorf("%w: %s", err, tail)
	}
	return err
}

// untilEnd waits until a child has ended and leaves it to be waited for.
func untilEnd(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
