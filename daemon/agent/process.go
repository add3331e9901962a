package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/klauspost/compress/gzip"
)

// outcome is how an attempt at a build ended: in a setup failure or a result.
type outcome struct {
	setup  *daemon.SetupFailure
	result daemon.Result
}

// process sees one build through: it builds until there is an outcome and
// delivers that.
func (a *Agent) process(ctx context.Context, b daemon.Allocation) {
	log := &logFile{name: filepath.Join(a.SpoolDir, b.UUID+logSuffix)}
	defer log.remove()
	out, err := a.persist(ctx, b, log)
	a.events <- event{kind: built}
	if err == nil {
		err = a.deliver(b, out, log)
	}
	var refused *wire.StatusError
	switch {
	case err == nil:
	case errors.Is(err, errGone):
		a.Log.Info("build "+b.UUID+" stopped", "err", err)
	case errors.As(err, &refused):
		// It is not ours any more, or not wanted.
		a.Log.Warn("build "+b.UUID+" given up: the coordinator refuses what is reported on it", "err", err)
	default:
		a.Log.Info("build "+b.UUID+" given up", "err", err)
		a.release(b.UUID)
	}
}

// persist attempts a build until it has an outcome or the coordinator refuses
// it. What is between us and the daemon, such as its restart, is not the
// build's fault, and neither is a full disk.
func (a *Agent) persist(ctx context.Context, b daemon.Allocation, log *logFile) (outcome, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		var out outcome
		err := log.begin()
		if err == nil {
			out, err = a.attempt(ctx, b, log)
		}
		var refused *wire.StatusError
		if ctx.Err() != nil && err != nil {
			return out, context.Cause(ctx)
		}
		if err == nil || errors.As(err, &refused) {
			return out, err
		}
		a.Log.Warn("the build "+b.UUID+" could not be had from guix-daemon; trying again", "err", err)
		if sleep(a.run, pause); a.run.Err() != nil {
			return out, errStopping // nothing is lost by handing it back
		}
	}
}

// deliver tells the coordinator how a build ended.
func (a *Agent) deliver(b daemon.Allocation, out outcome, log *logFile) error {
	if f := out.setup; f != nil {
		a.Log.Warn("build "+b.UUID+" could not be set up", "reason", f.Reason, "missing", len(f.MissingInputs))
		return a.report("report a setup failure", func(ctx context.Context) error {
			return a.api.ReportSetupFailure(ctx, b.UUID, *f)
		})
	}
	if err := log.finish(); err != nil {
		return err
	}
	a.uploads <- struct{}{}
	err := a.report("send a log", func(ctx context.Context) error {
		text, size, err := log.open()
		if err != nil {
			return err
		}
		defer text.Close()
		return a.api.SendLog(ctx, b.UUID, text, size)
	})
	<-a.uploads
	if err != nil {
		// The result is worth more than its log.
		a.Log.Error("the coordinator refuses the log of build "+b.UUID, "err", err)
	}
	err = a.report("report a result", func(ctx context.Context) error {
		return a.api.ReportResult(ctx, b.UUID, out.result)
	})
	var status *wire.StatusError
	if errors.As(err, &status) && status.Code == wire.AlreadyProcessed {
		err = nil
	}
	if err != nil {
		return err
	}
	if out.result.Success {
		a.Log.Info("build " + b.UUID + " succeeded")
	} else {
		a.Log.Info("build "+b.UUID+" failed", "reason", out.result.Reason)
	}
	return nil
}

// report insists, in a context that ends only after the grace time.
func (a *Agent) report(what string, do func(context.Context) error) error {
	return a.insist(a.work, what, do)
}

// logFile is the log of a build, compressed as it comes.
type logFile struct {
	name string
	f    *os.File // nil until begin succeeds
	z    *gzip.Writer
}

const logSuffix = ".log.gz"

// begin makes the file or, if it is there, forgets what was written.
func (l *logFile) begin() error {
	if l.f == nil {
		f, err := os.OpenFile(l.name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("write log: %w", err)
		}
		l.f, l.z = f, gzip.NewWriter(f)
		return nil
	}
	if _, err := l.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	l.z.Reset(l.f)
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

func (l *logFile) Write(p []byte) (int, error) { return l.z.Write(p) }

func (l *logFile) finish() error {
	if err := l.z.Close(); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// open opens what was written, once more for each attempt at sending it: the
// HTTP client closes what it sends.
func (l *logFile) open() (*os.File, int64, error) {
	info, err := l.f.Stat()
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(l.name)
	return f, info.Size(), err
}

func (l *logFile) remove() {
	if l.f != nil {
		l.f.Close()
		os.Remove(l.name)
	}
}

// now is the time of a result.
func now() time.Time { return time.Now().UTC() }
