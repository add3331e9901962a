package daemon

import "time"

// An Agent builds what the coordinator gives it.
type Agent struct {
	ID          string // a random version 4 UUID
	Name        string
	Description string
	Active      bool // an agent that is not active gets no builds
	Mode        Mode
	Tags        []Tag
	Systems     []string     // what it asked for last
	Allocated   []Allocation // what it holds
	Status      *AgentStatus // its last report; nil if there was none
	Planned     int          // how many builds it could have had when that was announced last
}

// An AgentStatus is what an agent says of itself from time to time.
type AgentStatus struct {
	Status     string    `json:"status"` // "idle" or "running"
	Load1Min   float64   `json:"load"`
	Processors int       `json:"processors"`
	Time       time.Time `json:"time"`
}

// A Picture is the farm's agents at one moment. The events after its ID tell
// what has changed since.
type Picture struct {
	ID     int64 // of the last event; zero if there was none
	Agents []Agent
}

// An AgentChange changes the fields of an agent that are not nil.
type AgentChange struct {
	Name        *string
	Description *string
	Active      *bool
	Mode        *Mode
	Tags        *[]Tag
}

// A Mode says for a while how an agent that is active works.
type Mode string

// The modes. A paused agent keeps what it holds and gets no more; a draining
// one does too, and is asked for by those who want to know when it is empty.
const (
	Working  Mode = "working"
	Paused   Mode = "paused"
	Draining Mode = "draining"
)

// Modes are all modes.
var Modes = []Mode{Working, Paused, Draining}

// A DeclaredAgent is an agent that the configuration says there is.
type DeclaredAgent struct {
	Name        string // not twice
	Description string
	Systems     []string // it builds for no others; empty for all it wants
	Tags        []Tag
}

// A Token lets agents enrol under names of their own.
type Token struct {
	ID          int64
	Agent       string // the only name that may be enrolled; empty for all
	Description string
	Created     time.Time
	Expires     time.Time // zero for never
}
