package wire

import (
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The messages of the agents' API (port 8745).

// StatusReport is the body of PUT /agent/UUID.
type StatusReport struct {
	Status        string       `json:"status"`
	LoadAverage   *LoadAverage `json:"load_average,omitempty"`
	Load1Min      *float64     `json:"load_average_1min,omitempty"`
	Processors    int          `json:"processor_count,omitempty"`
	InitialStatus bool         `json:"initial_status_update,omitempty"`
}

// LoadAverage is the machine's load.
type LoadAverage struct {
	OneMinute float64 `json:"1min"`
}

// Domain is the report in the farm's words, without its time.
func (r *StatusReport) Domain() (daemon.AgentStatus, error) {
	s := daemon.AgentStatus{Status: r.Status, Processors: r.Processors}
	if len(s.Status) > 64 {
		return s, daemon.Errorf(daemon.Invalid, "the status is longer than 64 bytes")
	}
	switch {
	case r.LoadAverage != nil:
		s.Load1Min = r.LoadAverage.OneMinute
	case r.Load1Min != nil:
		s.Load1Min = *r.Load1Min
	}
	return s, nil
}

// FetchRequest is the body of POST /agent/UUID/fetch-builds.
type FetchRequest struct {
	Systems []string `json:"systems"`
	// Target is how many builds the agent wants to hold in all; the older
	// Count is how many more.
	Target *int `json:"target_count,omitempty"`
	Count  *int `json:"count,omitempty"`
	// Wait is tbfg's own: for how many seconds the coordinator may hold the
	// answer back while it has nothing new to give.
	Wait float64 `json:"wait_seconds,omitempty"`
	// Held is tbfg's own: the builds that the agent believes to hold. With a
	// wait, one that it does not hold is answered at once.
	Held []string `json:"held_builds,omitempty"`
}

// FetchReply answers it: everything allocated to the agent.
type FetchReply struct {
	Builds []Allocation `json:"builds"`
	// Gone is tbfg's own: those of the builds that the agent believed to hold
	// which it does not.
	Gone []string `json:"gone_builds,omitempty"`
	// Waits is tbfg's own, and always true: it heeds FetchRequest.Wait.
	Waits bool `json:"waits,omitempty"`
}

// Allocation is a build in a FetchReply.
type Allocation struct {
	UUID       string         `json:"uuid"`
	Derivation storepath.Path `json:"derivation_name"`
	Priority   int64          `json:"priority"`
	Derived    int64          `json:"derived_priority"`
	Submit     *bool          `json:"submit_outputs,omitempty"` // left out, it means true
	Canceled   bool           `json:"canceled"`
	// Tags is tbfg's own.
	Tags []Tag `json:"tags,omitempty"`
}

// Allocations are allocations as they go out.
func Allocations(all []daemon.Allocation) []Allocation {
	out := make([]Allocation, len(all))
	for i, a := range all {
		out[i] = Allocation{UUID: a.UUID, Derivation: a.Derivation, Priority: a.Priority, Derived: a.Priority, Submit: &a.KeepOutput}
		if len(a.Tags) > 0 {
			out[i].Tags = tagsOut(a.Tags)
		}
	}
	return out
}

// Domain is the reply in the farm's words. Store paths are checked.
func (r *FetchReply) Domain() ([]daemon.Allocation, error) {
	out := make([]daemon.Allocation, len(r.Builds))
	for i, b := range r.Builds {
		drv, err := storepath.Parse(string(b.Derivation))
		if err != nil {
			return nil, err
		}
		out[i] = daemon.Allocation{UUID: b.UUID, Derivation: drv, Priority: b.Priority,
			KeepOutput: b.Submit == nil || *b.Submit}
		if len(b.Tags) > 0 {
			out[i].Tags = TagsIn(b.Tags)
		}
	}
	return out, nil
}

// SetupFailure is the body of POST /build/UUID/report-setup-failure.
type SetupFailure struct {
	Reason        string   `json:"failure_reason"`
	MissingInputs []string `json:"missing_inputs,omitempty"`
	// Details is tbfg's own: a sentence or more for people.
	Details string `json:"details,omitempty"`
}

// Domain is the report in the farm's words, without agent and time.
func (f *SetupFailure) Domain() (daemon.SetupFailure, error) {
	out := daemon.SetupFailure{Reason: f.Reason, Details: f.Details}
	paths, err := parsePaths(f.MissingInputs)
	out.MissingInputs = paths
	return out, err
}

// NewSetupFailure is a report as an agent sends it.
func NewSetupFailure(f daemon.SetupFailure) SetupFailure {
	return SetupFailure{f.Reason, stringsOf(f.MissingInputs), f.Details}
}

// Result is the body of PUT /build/UUID.
type Result struct {
	Result  string         `json:"result"`
	Ended   Time           `json:"end_time,omitzero"`
	Outputs []ResultOutput `json:"outputs,omitempty"`
	// Reason is tbfg's own: what the guix-daemon said of a failure.
	Reason string `json:"failure_reason,omitempty"`
}

// ResultOutput is an output that a successful build made.
type ResultOutput struct {
	Name       string   `json:"name"`
	Hash       string   `json:"hash"`
	Size       int64    `json:"size"`
	References []string `json:"references"`
}

// The values of Result.Result.
const (
	Success = "success"
	Failure = "failure"
)

// Domain is the result in the farm's words. The outputs have no paths.
func (r *Result) Domain() (daemon.Result, error) {
	out := daemon.Result{Success: r.Result == Success, Ended: r.Ended.Time, Reason: r.Reason}
	if r.Result != Success && r.Result != Failure {
		return out, daemon.Errorf(daemon.Invalid, "the result is %q; it must be %q or %q", r.Result, Success, Failure)
	}
	for _, o := range r.Outputs {
		refs, err := parsePaths(o.References)
		if err != nil {
			return out, err
		}
		out.Outputs = append(out.Outputs, daemon.Output{Name: o.Name, Hash: o.Hash, Size: o.Size, References: refs})
	}
	return out, nil
}

// NewResult is a result as an agent sends it.
func NewResult(r daemon.Result) Result {
	out := Result{Result: Failure, Ended: Time{r.Ended}, Reason: r.Reason}
	if r.Success {
		out.Result = Success
	}
	for _, o := range r.Outputs {
		out.Outputs = append(out.Outputs, ResultOutput{o.Name, o.Hash, o.Size, stringsOf(o.References)})
	}
	return out
}

func stringsOf(paths []storepath.Path) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = string(p)
	}
	return out
}

func parsePaths(in []string) ([]storepath.Path, error) {
	var out []storepath.Path
	for _, s := range in {
		p, err := storepath.Parse(s)
		if err != nil {
			return nil, daemon.Errorf(daemon.Invalid, "%v", err)
		}
		out = append(out, p)
	}
	return out, nil
}
