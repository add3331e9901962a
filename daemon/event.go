package daemon

import (
	"time"

	"codeberg.org/tbfg/tbfg/daemon/event"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// What can happen, see package event.
const (
	BuildSubmitted     = event.BuildSubmitted
	BuildStarted       = event.BuildStarted
	BuildSuccess       = event.BuildSuccess
	BuildFailure       = event.BuildFailure
	BuildCanceled      = event.BuildCanceled
	BuildMissingInputs = event.BuildMissingInputs
	AgentStatusChanged = event.AgentStatusChanged
)

// An Event is something that happened. As JSON it is what hooks read on their
// standard input; fields that do not belong to an event are left out.
type Event struct {
	Name          string           `json:"event"`
	Time          time.Time        `json:"time"`
	Build         string           `json:"build_id,omitempty"`
	Derivation    storepath.Path   `json:"derivation,omitempty"`
	System        string           `json:"system,omitempty"`
	Priority      int64            `json:"priority,omitempty"`
	Tags          []Tag            `json:"tags,omitempty"`
	Agent         string           `json:"agent_id,omitempty"`
	FailureReason string           `json:"failure_reason,omitempty"`
	MissingInputs []storepath.Path `json:"missing_inputs,omitempty"`
	Status        string           `json:"status,omitempty"` // of an agent
}

// Subject is the UUID of what the event is about. The events of one subject
// reach a hook in their order.
func (e *Event) Subject() string {
	if e.Build != "" {
		return e.Build
	}
	return e.Agent
}

// A HookEvent is an event that a hook has still to be told.
type HookEvent struct {
	ID        int64
	Hook      string // name of the hook
	Event     string
	Subject   string
	Arguments []byte // the Event as JSON
	Created   time.Time
	Attempts  int       // that failed
	NotBefore time.Time // of the next attempt; zero for now
	Parked    bool      // given up until somebody says otherwise
	Error     string    // of the last attempt
}
