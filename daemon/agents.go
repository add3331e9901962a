package daemon

import "time"

// An Agent builds what the coordinator gives it.
type Agent struct {
	ID          string // a random version 4 UUID
	Name        string
	Description string
	Active      bool // an agent that is not active gets no builds
	Tags        []Tag
	Systems     []string     // what it asked for last
	Allocated   []Allocation // what it holds
	Status      *AgentStatus // its last report; nil if there was none since the coordinator started
}

// An AgentStatus is what an agent says of itself from time to time. It lives
// in memory only.
type AgentStatus struct {
	Status     string // "idle" or "running"
	Load1Min   float64
	Processors int
	Time       time.Time
}

// An AgentChange changes the fields of an agent that are not nil.
type AgentChange struct {
	Name        *string
	Description *string
	Active      *bool
	Tags        *[]Tag
}
