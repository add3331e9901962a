package wire

import (
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The stream of events, GET /events, and the state from which one follows it,
// GET /state.

// eventNames are the names under which events go out: each under the likeliest
// one only, since a reader that is strict may fail on a name that it does not
// know.
var eventNames = map[string]string{
	daemon.BuildSubmitted:    "build-submitted",
	daemon.BuildStarted:      "build-started",
	daemon.BuildSuccess:      "build-success",
	daemon.BuildFailure:      "build-failure",
	daemon.BuildCanceled:     "build-canceled",
	daemon.BuildSetupFailure: "build-setup-failure", // else "setup-failure"
	daemon.BuildsAllocated:   "agent-builds-allocated",
	daemon.AgentUpdated:      "agent-status-update",
	daemon.PlanUpdated:       "allocation-plan-update",
}

// EventResume are the names of the query parameters that say after which event
// the stream is to begin, besides the header Last-Event-ID.
var EventResume = []string{"after", "after_event_id"}

// Event is the data of an event. What an event has nothing to say of is left
// out, and has not changed.
type Event struct {
	Time Time `json:"timestamp"` // of an agent's status: when it was reported

	// Of builds.
	UUID          string          `json:"uuid,omitempty"`
	Derivation    storepath.Path  `json:"derivation,omitempty"`
	Name          storepath.Path  `json:"derivation_name,omitempty"` // the same
	System        string          `json:"system,omitempty"`
	Priority      *int64          `json:"priority,omitempty"`
	Deferred      Time            `json:"defer_until,omitzero"`
	FailureReason string          `json:"failure_reason,omitempty"`
	MissingInputs *[]string       `json:"missing_inputs,omitempty"`
	Agent         string          `json:"agent_id,omitempty"`
	Builds        []Allocated     `json:"builds,omitempty"` // that the agent was given, besides those it has
	Plan          *map[string]int `json:"allocation_plan_counts,omitempty"`

	// Of agents, and the tags also of builds.
	Tags        *[]Tag       `json:"tags,omitempty"`
	Status      string       `json:"status,omitempty"`
	LoadAverage *LoadAverage `json:"load_average,omitempty"`
	Load1Min    *float64     `json:"load_average_1min,omitempty"`
	Processors  int          `json:"processor_count,omitempty"`

	// Of agents, and tbfg's own. Released are UUIDs of builds that the agent
	// holds no longer although they have not ended.
	AgentName   *string     `json:"name,omitempty"`
	Description *string     `json:"description,omitempty"`
	Active      *bool       `json:"active,omitempty"`
	Mode        daemon.Mode `json:"mode,omitempty"`
	Systems     *[]string   `json:"requested_systems,omitempty"`
	Released    []string    `json:"released_builds,omitempty"`
}

// Allocated is a build that an agent holds.
type Allocated struct {
	UUID       string         `json:"uuid"`
	Derivation storepath.Path `json:"derivation_name"`
	Tags       []Tag          `json:"tags"`
}

func allocated(builds []daemon.Allocation) []Allocated {
	out := make([]Allocated, len(builds))
	for i, b := range builds {
		out[i] = Allocated{b.UUID, b.Derivation, tagsOut(b.Tags)}
	}
	return out
}

// NewEvent is the data of an event as it goes out.
func NewEvent(e daemon.Event) Event {
	out := Event{Time: Time{e.Time}, UUID: e.Build, Derivation: e.Derivation, Name: e.Derivation, System: e.System,
		Deferred: Time{e.NotBefore}, FailureReason: e.FailureReason, Agent: e.Agent, Builds: allocated(e.Builds), Released: e.Released}
	if e.Build != "" {
		tags := tagsOut(e.Tags)
		out.Priority, out.Tags = &e.Priority, &tags
	}
	if e.Name == daemon.BuildSetupFailure {
		missing := stringsOf(e.MissingInputs)
		out.MissingInputs = &missing
	}
	if s := e.Report; s != nil {
		out.Status, out.Processors, out.Time = s.Status, s.Processors, Time{s.Time}
		out.LoadAverage, out.Load1Min = &LoadAverage{s.Load1Min}, &s.Load1Min
	}
	if d := e.Details; d != nil {
		tags, systems := tagsOut(d.Tags), append([]string{}, d.Systems...)
		out.AgentName, out.Description, out.Active, out.Mode = &d.Name, &d.Description, &d.Active, d.Mode
		out.Tags, out.Systems = &tags, &systems
	}
	if e.Name == daemon.PlanUpdated {
		out.Plan = &e.Plan
	}
	return out
}

// Frame is an event as the stream has it: id, name, one line of JSON, and a
// blank line.
func Frame(e daemon.Event) ([]byte, error) {
	data, err := Marshal(NewEvent(e))
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, len(data)+80)
	frame = append(strconv.AppendInt(append(frame, "id: "...), e.ID, 10), '\n')
	frame = append(append(append(frame, "event: "...), eventNames[e.Name]...), '\n')
	return append(append(append(frame, "data: "...), data...), "\n\n"...), nil
}

// State answers GET /state: the agents, as they were after the event ID.
type State struct {
	ID     int64          `json:"state_id"`
	Agents []StateAgent   `json:"agents"`
	Plan   map[string]int `json:"allocation_plan_counts"`
}

// StateAgent is an agent in a State.
type StateAgent struct {
	Agent
	Allocated []Allocated `json:"allocated_builds"`
	Planned   int         `json:"allocation_plan_count"`
}

// NewState is the farm's picture as it goes out.
func NewState(p daemon.Picture) State {
	s := State{ID: p.ID, Agents: make([]StateAgent, len(p.Agents)), Plan: make(map[string]int, len(p.Agents))}
	for i, a := range p.Agents {
		s.Agents[i] = StateAgent{NewAgent(a), allocated(a.Allocated), a.Planned}
		s.Plan[a.ID] = a.Planned
	}
	return s
}
