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
	PackageBroken      = event.PackageBroken
	PackageFixed       = event.PackageFixed
	EvaluationDone     = event.EvaluationDone
)

// The names of events that only the stream has: followers keep a picture of the
// farm from them. There each setup failure is one event, and BuildMissingInputs
// and AgentStatusChanged are not.
const (
	BuildSetupFailure = "build-setup-failure"
	BuildsAllocated   = "agent-builds-allocated"
	AgentUpdated      = "agent-status-update"
	PlanUpdated       = "allocation-plan-update"
)

// An Event is something that happened. As JSON it is what hooks read on their
// standard input; fields that do not belong to an event are left out.
type Event struct {
	Name          string           `json:"event"`
	Time          time.Time        `json:"time,omitzero"`
	Build         string           `json:"build_id,omitempty"`
	Derivation    storepath.Path   `json:"derivation,omitempty"`
	System        string           `json:"system,omitempty"`
	Priority      int64            `json:"priority,omitempty"`
	Tags          []Tag            `json:"tags,omitempty"`
	Agent         string           `json:"agent_id,omitempty"`
	FailureReason string           `json:"failure_reason,omitempty"`
	MissingInputs []storepath.Path `json:"missing_inputs,omitempty"`
	Status        string           `json:"status,omitempty"` // of an agent

	Collection string    `json:"collection,omitempty"`
	Revision   string    `json:"revision,omitempty"` // of the latest evaluation
	Package    string    `json:"package,omitempty"`
	Target     string    `json:"target,omitempty"`
	BlockedBy  []string  `json:"blocked_by,omitempty"` // derivations that failed, where it is not the package itself
	Changed    int       `json:"changed_packages,omitempty"`
	Errors     int       `json:"not_evaluated,omitempty"`
	NotBefore  time.Time `json:"not_before,omitzero"`

	// What follows is in the stream only.
	ID       int64          `json:"-"`                  // grows by one from event to event
	Builds   []Allocation   `json:"builds,omitempty"`   // that an agent was given
	Released []string       `json:"released,omitempty"` // UUIDs of unfinished builds that it does not hold any more
	Report   *AgentStatus   `json:"report,omitempty"`   // of an agent
	Details  *AgentDetails  `json:"details,omitempty"`  // of an agent
	Plan     map[string]int `json:"plan,omitempty"`     // by agent: how many builds it could have
}

// AgentDetails is what people say of an agent, and what it asks for.
type AgentDetails struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Active      bool     `json:"active"`
	Mode        Mode     `json:"mode"`
	Tags        []Tag    `json:"tags"`
	Systems     []string `json:"systems"`
}

// Subject is what the event is about: a collection's name, or a UUID. The events of one subject
// reach a hook in their order.
func (e *Event) Subject() string {
	switch {
	case e.Collection != "":
		return e.Collection
	case e.Build != "":
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
