package shepherd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// UntilStopped is a context that ends when the process is told to stop, by
// SIGTERM or SIGINT. A second signal kills it as usual.
func UntilStopped(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := signal.NotifyContext(parent, syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, cancel) // the default action from now on
	return ctx, cancel
}

// Ready says that the process serves: it writes the PID file, unless its name
// is empty, and notifies the service manager, if that wants to know.
func Ready(pidFile string) error {
	if pidFile != "" {
		if err := writePID(pidFile); err != nil {
			return fmt.Errorf("write the PID file: %w", err)
		}
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// writePID makes the file appear whole: the Shepherd reads it as soon as it
// is there. It need not survive a crash, so nothing is synced.
func writePID(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// Stopping says that the process has been told to stop.
func Stopping() error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyStopping); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Stopped removes the PID file, as the last thing.
func Stopped(pidFile string) error {
	if pidFile == "" {
		return nil
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tellInterval is how often the service manager hears of the status, and that
// the process is well, at least.
const tellInterval = 5 * time.Second

// Tell keeps the service manager informed until ctx ends: of the status, which
// is one line, when it is another than before, and, if the manager watches
// (WatchdogSec=), that the process is well. One that is not is silent, and
// started again.
func Tell(ctx context.Context, health func() (line string, well bool)) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	interval := tellInterval
	watched, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		slog.Warn("cannot heed the service manager's watchdog", "err", err)
	}
	if watched > 0 {
		interval = min(interval, watched/3)
	}
	tick := time.NewTicker(max(interval, time.Millisecond))
	defer tick.Stop()
	for last := ""; ; {
		line, well := health()
		state := ""
		if line != last {
			state = "STATUS=" + oneLine(line)
			last = line
		}
		if well && watched > 0 {
			state = strings.TrimPrefix(state+"\n"+daemon.SdNotifyWatchdog, "\n")
		}
		if state != "" {
			// One message more or less does not matter.
			_, _ = daemon.SdNotify(false, state)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
