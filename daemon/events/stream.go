package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Limits of the frames in memory, of those read at a time, and of followers.
const (
	maxFrames    = 4096
	maxBytes     = 4 << 20
	page         = 256
	MaxFollowers = 10_000
)

// Events are gathered for a while before the followers are woken once more: many
// that come together cost each of them one write. A round of writes takes some
// ten microseconds a follower, and should not take all the time.
const (
	gather     = 20 * time.Millisecond
	gatherEach = 20 * time.Microsecond
)

// afterTrouble is how long to wait when the database cannot be read.
const afterTrouble = time.Second

// planInterval is how often the plan is worked out while somebody follows.
const planInterval = 5 * time.Second

// A Stream serves the events of a coordinator. It works while Run does.
type Stream struct {
	c         *coordinator.Coordinator
	keepalive time.Duration
	log       *slog.Logger
	ended     chan struct{} // closed when Run ends
	unknown   wire.UnknownLog

	mu        sync.Mutex // guards what follows; held for microseconds
	ring      []frame    // the newest, oldest first, without a gap
	bytes     int        // of all of them
	before    int64      // id of the event before the first of them; -1 when nothing is known
	last      int64      // id of the last of them, or before
	news      chan struct{}
	followers int
	arrived   chan struct{} // gets a value when there is a first follower; capacity 1
}

// A frame is an event as it goes out. It does not change. The frames that are
// read at a time lie in memory one after the other, so that all of them, or the
// last ones, go out with one write.
type frame struct {
	id   int64
	size int    // of its text, in bytes
	rest []byte // its text, and that of the frames after it
	last int64  // id of the last of these
}

// New is a stream of a coordinator's events. With a keepalive, followers get
// an empty comment after so long without an event; zero for never.
func New(c *coordinator.Coordinator, keepalive time.Duration, log *slog.Logger) *Stream {
	return &Stream{c: c, keepalive: keepalive, log: log, ended: make(chan struct{}),
		before: -1, last: -1, news: make(chan struct{}), arrived: make(chan struct{}, 1)}
}

// Run reads new events for followers until ctx ends, which ends the followers'
// connections too. It is called once.
func (s *Stream) Run(ctx context.Context) {
	defer close(s.ended)
	plan := time.NewTicker(planInterval)
	defer plan.Stop()
	for s.anybody(ctx) {
		news := s.c.EventNews()
		more, err := s.feed(ctx)
		var wait <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("cannot read the events for those who follow", "err", err)
			news, wait = nil, time.After(afterTrouble)
		case more:
			news, wait = nil, time.After(gather+gatherEach*time.Duration(s.Followers()))
		}
		select {
		case <-news:
		case <-wait:
		case <-plan.C:
			if err := s.c.AnnouncePlan(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("cannot announce the plan", "err", err)
			}
		case <-ctx.Done():
		}
	}
}

// anybody waits until somebody follows; false when ctx ends. Nothing is read
// for nobody.
func (s *Stream) anybody(ctx context.Context) bool {
	for {
		s.mu.Lock()
		n := s.followers
		if n == 0 { // what comes meanwhile would leave a gap
			s.ring, s.bytes, s.before, s.last = nil, 0, -1, -1
		}
		s.mu.Unlock()
		if n > 0 {
			return ctx.Err() == nil
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return false
		}
	}
}

// feed adds the next events to those in memory, and tells whether there were any.
func (s *Stream) feed(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last < 0 {
		_, newest, err := s.c.EventRange(ctx)
		if err != nil {
			return false, err
		}
		s.mu.Lock()
		s.before, s.last = newest, newest
		s.wake()
		s.mu.Unlock()
		return true, nil
	}
	frames, err := s.read(ctx, last)
	if err != nil || len(frames) == 0 {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		s.ring = append(s.ring, f)
		s.bytes += f.size
	}
	s.last = frames[len(frames)-1].id
	drop := 0
	for len(s.ring)-drop > maxFrames || s.bytes > maxBytes {
		s.bytes -= s.ring[drop].size
		s.before = s.ring[drop].id
		drop++
	}
	s.ring = s.ring[drop:] // followers may be reading what was dropped
	s.wake()
	return true, nil
}

// wake tells the followers that there is something new. The caller holds mu.
func (s *Stream) wake() {
	close(s.news)
	s.news = make(chan struct{})
}

// read makes frames of the next events in the database.
func (s *Stream) read(ctx context.Context, after int64) ([]frame, error) {
	// The driver would start a goroutine for each row that could be canceled.
	events, err := s.c.Events(context.WithoutCancel(ctx), after, page)
	if err != nil {
		return nil, err
	}
	frames := make([]frame, len(events))
	var all []byte
	for i, e := range events {
		text, err := wire.Frame(e)
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
		frames[i] = frame{id: e.ID, size: len(text)}
	}
	at := 0
	for i := range frames {
		f := &frames[i]
		f.rest, f.last = all[at:], frames[len(frames)-1].id
		at += f.size
	}
	return frames, nil
}

// after are the next frames after an id that are in memory, and a channel that is
// closed when there may be more. It is known which ones come next unless ok is
// false.
func (s *Stream) after(id int64) (frames []frame, news <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before < 0 || id < s.before {
		return nil, s.news, false
	}
	if id >= s.last {
		return nil, s.news, true
	}
	first := len(s.ring) - 1
	for first > 0 && s.ring[first-1].id > id { // most are at the end
		first--
	}
	last := min(first+page, len(s.ring))
	return s.ring[first:last:last], s.news, true
}

// join counts a follower; false if there are too many.
func (s *Stream) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followers >= MaxFollowers {
		return false
	}
	s.followers++
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return true
}

func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers--
}

// Followers is how many follow now.
func (s *Stream) Followers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followers
}
