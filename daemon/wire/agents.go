package wire

import "codeberg.org/tbfg/tbfg/daemon"

// Agent is an agent in GET /agents and GET /agent/UUID.
type Agent struct {
	ID           string       `json:"uuid"`
	Name         string       `json:"name,omitempty"`
	Description  string       `json:"description,omitempty"`
	Active       bool         `json:"active"`
	Mode         daemon.Mode  `json:"mode,omitempty"` // tbfg's own
	Systems      []string     `json:"requested_systems"`
	Tags         []Tag        `json:"tags"`
	Allocated    []Allocation `json:"allocated_builds"`
	Status       string       `json:"status,omitempty"`
	LoadAverage  *LoadAverage `json:"load_average,omitempty"`
	Load1Min     *float64     `json:"load_average_1min,omitempty"`
	Processors   int          `json:"processor_count,omitempty"`
	StatusUpdate Time         `json:"status_timestamp,omitzero"`
}

// NewAgent is an agent as it goes out.
func NewAgent(a daemon.Agent) Agent {
	out := Agent{ID: a.ID, Name: a.Name, Description: a.Description, Active: a.Active, Mode: a.Mode,
		Systems: append([]string{}, a.Systems...), Tags: tagsOut(a.Tags), Allocated: Allocations(a.Allocated)}
	if s := a.Status; s != nil {
		out.Status, out.Processors, out.StatusUpdate = s.Status, s.Processors, Time{s.Time}
		out.LoadAverage, out.Load1Min = &LoadAverage{s.Load1Min}, &s.Load1Min
	}
	return out
}

// AgentList answers GET /agents.
type AgentList struct {
	Agents []Agent `json:"agents"`
}

// NewAgentRequest is the body of POST /agents; all of it may be left out.
type NewAgentRequest struct {
	ID          string `json:"uuid,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
}

// NewAgentReply answers it.
type NewAgentReply struct {
	ID string `json:"agent_id"`
}

// NewPasswordReply answers POST /agent/UUID/passwords.
type NewPasswordReply struct {
	Password string `json:"new_password"`
}

// PasswordList answers GET /agent/UUID/passwords, which is tbfg's own: the
// passwords themselves are not stored and cannot be shown.
type PasswordList struct {
	Created []Time `json:"created_at"`
}

// AgentChange is the body of PUT /agent/UUID/active and /tags, and, tbfg's
// own, of PUT /agent/UUID/mode and PATCH /agent/UUID: what is left out stays.
type AgentChange struct {
	Name        *string      `json:"name,omitempty"`
	Description *string      `json:"description,omitempty"`
	Active      *bool        `json:"active,omitempty"`
	Mode        *daemon.Mode `json:"mode,omitempty"`
	Tags        *[]Tag       `json:"tags,omitempty"`
}

// Domain is the change in the farm's words.
func (c *AgentChange) Domain() daemon.AgentChange {
	out := daemon.AgentChange{Name: c.Name, Description: c.Description, Active: c.Active, Mode: c.Mode}
	if c.Tags != nil {
		tags := TagsIn(*c.Tags)
		out.Tags = &tags
	}
	return out
}
