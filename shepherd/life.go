package shepherd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

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

// Stopping says that the process is about to end and removes the PID file.
func Stopping(pidFile string) error {
	_, notified := daemon.SdNotify(false, daemon.SdNotifyStopping)
	if pidFile == "" {
		return notified
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(notified, err)
	}
	return notified
}
