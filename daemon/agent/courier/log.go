package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/klauspost/compress/gzip"
)

const (
	// batch is how long text may wait for more to come with it.
	batch = 50 * time.Millisecond
	// enough text does not wait, in bytes.
	enough = 256 << 10
	// maxChunk is how much goes in one request, in bytes: more would only
	// have to be sent again after a cut.
	maxChunk = 16 << 20
)

// errNoStream tells that the coordinator does not take this log under way:
// because it takes none, or because it believes that the build is with another
// agent. As a whole it may be welcome.
var errNoStream = errors.New("the log cannot be sent while it grows")

// missing tells whether an answer is that of a coordinator which does not know
// the route.
func missing(e *wire.StatusError) bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented
}

// Log delivers a log while it grows, and returns when the coordinator has the
// whole. With resume the coordinator may have some of it; otherwise what it
// has is of another attempt, and forgotten. An error is a refusal, or of a ctx
// that has ended.
func (c *Courier) Log(ctx context.Context, e *spool.Entry, l *spool.Log, resume bool) error {
	if !c.wholeOnly.Load() {
		err := c.stream(ctx, e.Build.UUID, l, resume)
		if !errors.Is(err, errNoStream) {
			return err
		}
	}
	if err := ended(ctx, l); err != nil {
		return err
	}
	return c.whole(ctx, e, l)
}

// ended waits for the end of a log.
func ended(ctx context.Context, l *spool.Log) error {
	for {
		_, ended, changed := l.State()
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stream sends a log in chunks.
func (c *Courier) stream(ctx context.Context, build string, l *spool.Log, resume bool) error {
	s := &stream{Courier: c, build: build, l: l, unsure: resume, restart: !resume}
	for {
		end, final, err := s.next(ctx)
		if err != nil {
			return err
		}
		err = c.Insist(ctx, "send a log", func(ctx context.Context) error { return s.send(ctx, end, final) })
		var status *wire.StatusError
		if errors.As(err, &status) && status.Status != http.StatusRequestEntityTooLarge {
			c.wholeOnly.Store(missing(status))
			return fmt.Errorf("%w: %w", errNoStream, err)
		}
		if err != nil || final && s.done {
			return err
		}
	}
}

type stream struct {
	*Courier
	build   string
	l       *spool.Log
	offset  int64 // what the coordinator has, as far as is known
	restart bool  // it has not yet heard that the log begins anew
	unsure  bool  // it may have more, or less
	done    bool  // it has the whole
}

// next waits until there is something to send, and tells up to where, and
// whether the log ends there.
func (s *stream) next(ctx context.Context) (end int64, final bool, err error) {
	var patience <-chan time.Time
	for {
		size, ended, changed := s.l.State()
		end = min(size, s.offset+maxChunk)
		if ended || size-s.offset >= enough {
			return end, ended && end == size, nil
		}
		if size > s.offset && patience == nil {
			timer := time.NewTimer(batch)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-changed:
		case <-patience:
			return end, false, nil
		case <-ctx.Done():
			return 0, false, context.Cause(ctx)
		}
	}
}

// send sends what there is up to end, or finds out where to go on.
func (s *stream) send(ctx context.Context, end int64, final bool) error {
	if s.unsure {
		there, err := s.API.LogSize(ctx, s.build)
		if err != nil {
			return err
		}
		s.unsure = false
		if there > end && !final {
			s.offset = there // next looks where that is
			return nil
		}
		if s.offset = there; there > end {
			s.offset, s.restart = 0, true // that is no log of ours
		}
	}
	chunk := wire.LogChunk{Offset: s.offset, Restart: s.restart, Final: final, Size: end}
	if s.restart {
		chunk.Offset = 0
	}
	size := end - chunk.Offset
	there, err := s.API.SendLogChunk(ctx, s.build, chunk, s.l.Part(chunk.Offset, size), size)
	var status *wire.StatusError
	switch {
	case err == nil:
		s.offset, s.restart, s.done = there, false, final
	case errors.As(err, &status) && status.Status == http.StatusConflict:
		// It lost something, by a power failure perhaps.
		s.unsure, s.restart = true, false
		return fmt.Errorf("the coordinator lost a part of the log: %v", err)
	default:
		s.unsure = !s.restart
	}
	return err
}

// whole sends a log that has ended, compressed.
func (c *Courier) whole(ctx context.Context, e *spool.Entry, l *spool.Log) error {
	leave, err := c.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	file := e.File("log.gz")
	defer os.Remove(file)
	if err := compressLog(file, l); err != nil {
		return fmt.Errorf("compress the log: %w", err)
	}
	return c.Insist(ctx, "send a log", func(ctx context.Context) error {
		f, err := os.Open(file) // anew for each attempt: the HTTP client closes what it sends
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		err = c.API.SendLog(ctx, e.Build.UUID, f, info.Size())
		var status *wire.StatusError
		if err != nil && !errors.As(err, &status) {
			c.wholeOnly.Store(false) // it may be another coordinator that comes back
		}
		return err
	})
}

func compressLog(file string, l *spool.Log) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	size, _, _ := l.State()
	if _, err := io.Copy(z, l.Part(0, size)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
