package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// live is the configuration of a running farm, and how it changes.
type live struct {
	file  string                         // empty if there is none, which stays so
	read  func() (config.Config, error)  // reads the file, with the options of the command line
	apply func(running, c config.Config) // makes the farm run with another one
	log   *slog.Logger

	mu      sync.Mutex // guards what follows; held while a configuration is applied
	running config.Config
	status  wire.ConfigStatus
}

// Reload reads the file and takes over what is new there. A bad file changes
// nothing.
func (l *live) Reload() (wire.ConfigStatus, error) { return l.reload(false) }

// reload is Reload; quiet, it does not log that nothing is new.
func (l *live) reload(quiet bool) (wire.ConfigStatus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, err := l.read()
	if err != nil {
		l.log.Error("the configuration stays as it is: the new one is wrong", "err", err)
		l.status.Error = err.Error()
		return l.status, err
	}
	effective, changed, restart := config.Take(l.running, next)
	l.apply(l.running, effective)
	l.running = effective
	l.status.Error, l.status.Changed, l.status.NeedsRestart = "", changed, restart
	if quiet && len(changed)+len(restart) == 0 {
		return l.status, nil
	}
	l.log.Info("the configuration was read", "file", l.file, "changed", strings.Join(changed, " "))
	if len(restart) > 0 {
		l.log.Warn("restart the farm for what else is new in the configuration", "keys", strings.Join(restart, " "))
	}
	return l.status, nil
}

// Status is what is to be said of the configuration.
func (l *live) Status() wire.ConfigStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// follow reloads when the process is told to, by SIGHUP, and when the file
// changes, until ctx ends.
func (l *live) follow(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	changes := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	if l.file != "" {
		watching.Go(func() {
			err := config.Watch(ctx, l.file, func() {
				select {
				case changes <- struct{}{}:
				default: // told already
				}
			})
			if err != nil {
				l.log.Warn("changes of the configuration are not seen; send SIGHUP after one", "err", err)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_, _ = l.reload(false) // it has logged what is wrong
		case <-changes:
			_, _ = l.reload(true)
		}
	}
}
