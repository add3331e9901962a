package wire

import "codeberg.org/tbfg/tbfg/daemon"

// The messages about the farm as a whole, all of them tbfg's own.

// FarmStatus answers GET /status.
type FarmStatus struct {
	HandsOut  bool                 `json:"hands_out_builds"`
	Trouble   string               `json:"trouble,omitempty"` // why it does not
	Parked    int                  `json:"parked_hook_events"`
	Followers int                  `json:"event_followers"` // how many follow the stream of events
	Config    ConfigStatus         `json:"configuration"`
	Builds    map[daemon.State]int `json:"builds"` // by state, for every state
	Agents    []AgentStatus        `json:"agents"`
}

// AgentStatus is an agent in a FarmStatus.
type AgentStatus struct {
	ID           string      `json:"uuid"`
	Name         string      `json:"name,omitempty"`
	Active       bool        `json:"active"`
	Mode         daemon.Mode `json:"mode,omitempty"`
	Allocated    int         `json:"allocated_builds_count"`
	Status       string      `json:"status,omitempty"`
	Load1Min     float64     `json:"load_average_1min,omitempty"`
	StatusUpdate Time        `json:"status_timestamp,omitzero"`
}

// NewFarmStatus is the farm's state as it goes out.
func NewFarmStatus(trouble error, parked int, builds map[daemon.State]int, agents []daemon.Agent) FarmStatus {
	s := FarmStatus{HandsOut: trouble == nil, Parked: parked, Builds: make(map[daemon.State]int), Agents: make([]AgentStatus, len(agents))}
	for _, state := range daemon.States {
		s.Builds[state] = builds[state]
	}
	if trouble != nil {
		s.Trouble = trouble.Error()
	}
	for i, a := range agents {
		s.Agents[i] = AgentStatus{ID: a.ID, Name: a.Name, Active: a.Active, Mode: a.Mode, Allocated: len(a.Allocated)}
		if a.Status != nil {
			s.Agents[i].Status, s.Agents[i].Load1Min, s.Agents[i].StatusUpdate = a.Status.Status, a.Status.Load1Min, Time{a.Status.Time}
		}
	}
	return s
}

// HookEvent is an event that a hook has still to be told.
type HookEvent struct {
	ID        int64  `json:"hook_event_id"`
	Hook      string `json:"hook"`
	Event     string `json:"event"`
	Subject   string `json:"subject"`
	Arguments string `json:"arguments,omitempty"` // JSON, to the letter as the hook reads it
	Created   Time   `json:"created_at"`
	Attempts  int    `json:"attempts"`
	NotBefore Time   `json:"not_before,omitzero"`
	Parked    bool   `json:"parked"`
	Error     string `json:"error,omitempty"`
}

// HookEventList answers GET /hooks.
type HookEventList struct {
	Events []HookEvent `json:"hook_events"`
}

// NewHookEvent is an event in the outbox as it goes out.
func NewHookEvent(e daemon.HookEvent) HookEvent {
	return HookEvent{e.ID, e.Hook, e.Event, e.Subject, string(e.Arguments), Time{e.Created}, e.Attempts, Time{e.NotBefore}, e.Parked, e.Error}
}

// RetryHooksRequest is the body of POST /hooks/retry: one parked event, or all.
type RetryHooksRequest struct {
	ID  int64 `json:"hook_event_id,omitempty"`
	All bool  `json:"all,omitempty"`
}

// RetryHooksReply answers it.
type RetryHooksReply struct {
	Retried int64 `json:"hook_events_retried"`
}
