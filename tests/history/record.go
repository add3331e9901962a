package history

import (
	"errors"
	"slices"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Kind is what a request asks for.
type Kind string

// The requests that are recorded.
const (
	Submit       Kind = "submit"
	Cancel       Kind = "cancel"
	Retry        Kind = "retry"
	Fetch        Kind = "fetch"
	Start        Kind = "start"
	SetupFailure Kind = "setup failure"
	Log          Kind = "log"
	Result       Kind = "result"
	Release      Kind = "release"
	Enrol        Kind = "enrol"
)

// An Event is one request and what was answered.
type Event struct {
	Kind Kind
	Who  string // the agent's UUID, or the client's name
	Sent int    // its place in the order of all moments
	// Answered is the moment of the answer, of which Status is the HTTP
	// status. Without an answer nobody knows what was done; then both are 0.
	Answered int
	Status   int
	Text     string // what a refusal said

	Build      string            // asked about, or the UUID that a submission chose
	Derivation storepath.Path    // of a submission
	WithInputs bool              // so was the submission
	Success    bool              // so was the result
	Outputs    map[string]string // of the result: their hashes
	Target     int               // of a fetch: how many builds the agent wants in all
	Builds     []string          // answered: allocated, submitted or submitted again
	Gone       []string          // answered: builds that the agent believed to hold
	Word       string            // answered: what became of it
}

// Done tells whether the farm acknowledged the request.
func (e *Event) Done() bool { return e.Status/100 == 2 }

// Unknown tells whether the request may or may not have been done.
func (e *Event) Unknown() bool { return e.Answered == 0 || e.Status/100 == 5 }

// A History records events. Its methods may be called from any goroutine.
type History struct {
	mu     sync.Mutex // guards what follows
	now    int
	events []*Event
}

// Do records an event around a request. The request fills in what was
// answered.
func (h *History) Do(e Event, request func(*Event) error) (Event, error) {
	h.mu.Lock()
	h.now++
	e.Sent = h.now
	kept := &e
	h.events = append(h.events, kept)
	h.mu.Unlock()

	work := e // nobody looks at kept without the lock
	err := request(&work)
	work.Status = 200
	var refused *wire.StatusError
	switch {
	case errors.As(err, &refused):
		work.Status, work.Text = refused.Status, refused.Error()
	case err != nil:
		work.Status = 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	if work.Status != 0 {
		work.Answered = h.now
	}
	*kept = work
	return work, err
}

// Events are all that was recorded, in the order of sending.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := make([]Event, len(h.events))
	for i, e := range h.events {
		events[i] = *e
	}
	slices.SortFunc(events, func(a, b Event) int { return a.Sent - b.Sent })
	return events
}
