package events

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// maxPause is how long a follower may take nothing of what there is for it.
const maxPause = 30 * time.Second

// ServeHTTP sends events until the follower leaves or the stream ends: those
// after the one that the header Last-Event-ID or else the query names, or, when
// none is named, those that happen from now on. If that event is older than what is
// kept, or was never there, it begins with the oldest that is kept.
//
// The body is delimited by the end of the connection: Guile's client holds a
// chunked one back until its buffer is full.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.join() {
		wire.Fail(w, r, daemon.Errorf(daemon.Unavailable, "%d already follow the events", MaxFollowers))
		return
	}
	defer s.leave()
	id, err := s.begin(r)
	if err != nil {
		wire.Fail(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8") // without a charset Guile reads ISO-8859-1
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	header.Set("Transfer-Encoding", "identity") // net/http's word for what is said above
	f := &follower{Stream: s, w: w, control: http.NewResponseController(w), id: id}
	if err := f.flush(); err != nil || r.Method == http.MethodHead {
		return
	}
	switch err := f.follow(r.Context()); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.log.Info("a follower of the events was dropped, which took nothing for a while; it can resume", "from", r.RemoteAddr, "last", f.id)
	case err != nil && r.Context().Err() == nil: // else it has left
		s.log.Error("cannot read the events for a follower", "err", err)
	}
}

// begin is the id of the event after which a follower wants to have events.
func (s *Stream) begin(r *http.Request) (int64, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	wanted := r.Header.Get("Last-Event-ID") // who comes back says it here, whatever the URL says
	for _, name := range wire.EventResume {
		if wanted == "" {
			wanted = query.Get(name)
		}
		delete(query, name)
	}
	if len(query) > 0 {
		s.unknown.Log(r, "unknown parameter of the events")
	}
	oldest, newest, err := s.c.EventRange(r.Context())
	if err != nil || wanted == "" {
		return newest, err
	}
	id, err := strconv.ParseInt(wanted, 10, 64)
	if err != nil {
		return 0, daemon.Errorf(daemon.Invalid, "%.80q is not the id of an event, which is a number", wanted)
	}
	if id < oldest-1 || id > newest {
		return max(0, oldest-1), nil
	}
	return id, nil
}

// A follower is one connection.
type follower struct {
	*Stream
	w       http.ResponseWriter
	control *http.ResponseController
	id      int64 // of the last event sent
}

// follow sends events until it cannot.
func (f *follower) follow(ctx context.Context) error {
	var silence <-chan time.Time
	if f.keepalive > 0 {
		tick := time.NewTicker(f.keepalive)
		defer tick.Stop()
		silence = tick.C
	}
	for !f.over() {
		frames, news, ok := f.after(f.id)
		if !ok {
			var err error
			if frames, err = f.read(ctx, f.id); err != nil {
				return err
			}
		}
		if len(frames) > 0 {
			if err := f.send(frames); err != nil {
				return err
			}
			continue
		}
		select {
		case <-news:
		case <-silence:
			if err := f.comment(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		case <-f.ended:
		}
	}
	return nil
}

func (f *follower) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

func (f *follower) send(frames []frame) error {
	if err := f.control.SetWriteDeadline(time.Now().Add(maxPause)); err != nil {
		return err
	}
	for _, frame := range frames {
		if frame.id <= f.id {
			continue // it went with those before it
		}
		if _, err := f.w.Write(frame.rest); err != nil {
			return err
		}
		f.id = frame.last
	}
	return f.control.Flush()
}

// comment is for when there is no event for a while.
func (f *follower) comment() error {
	if _, err := f.w.Write([]byte(":\n\n")); err != nil {
		return err
	}
	return f.flush()
}

// flush sends what was written, at first the header.
func (f *follower) flush() error {
	if err := f.control.SetWriteDeadline(time.Now().Add(maxPause)); err != nil {
		return err
	}
	return f.control.Flush()
}
