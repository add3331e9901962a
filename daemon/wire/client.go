package wire

import (
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The messages of the clients' API (port 8746).

// Tag is a tag of a build or an agent.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func tagsOut(tags []daemon.Tag) []Tag {
	out := make([]Tag, len(tags))
	for i, t := range tags {
		out[i] = Tag(t)
	}
	return out
}

// TagsIn are tags in the farm's words.
func TagsIn(tags []Tag) []daemon.Tag {
	out := make([]daemon.Tag, len(tags))
	for i, t := range tags {
		out[i] = daemon.Tag(t)
	}
	return out
}

// Submission is the body of POST /builds.
type Submission struct {
	Derivation     string   `json:"derivation"`
	Priority       int64    `json:"priority,omitempty"`
	SubstituteURLs []string `json:"substitute_urls,omitempty"`
	UUID           string   `json:"uuid,omitempty"`
	Tags           []Tag    `json:"tags,omitempty"`
	DeferUntil     Time     `json:"defer_until,omitzero"`

	SkipIfDerivation bool `json:"ignore_if_build_for_derivation_exists,omitempty"`
	SkipIfOutputs    bool `json:"ignore_if_build_for_outputs_exists,omitempty"`
	WithInputs       bool `json:"ensure_all_related_derivation_outputs_have_builds,omitempty"`
}

// Domain is the submission in the farm's words.
func (s *Submission) Domain() (daemon.Submission, error) {
	out := daemon.Submission{
		SubstituteURLs: s.SubstituteURLs, Priority: s.Priority, UUID: s.UUID, Tags: TagsIn(s.Tags),
		NotBefore: s.DeferUntil.Time, SkipIfDerivationHasBuild: s.SkipIfDerivation,
		SkipIfOutputsHaveBuild: s.SkipIfOutputs, WithInputs: s.WithInputs,
	}
	path, err := storepath.Parse(s.Derivation)
	if err != nil {
		return out, daemon.Errorf(daemon.Invalid, "%v", err)
	}
	out.Derivation = path
	return out, nil
}

// NewSubmission is a submission as a client sends it.
func NewSubmission(s daemon.Submission) Submission {
	return Submission{
		Derivation: string(s.Derivation), Priority: s.Priority, SubstituteURLs: s.SubstituteURLs, UUID: s.UUID,
		Tags: tagsOut(s.Tags), DeferUntil: Time{s.NotBefore}, SkipIfDerivation: s.SkipIfDerivationHasBuild,
		SkipIfOutputs: s.SkipIfOutputsHaveBuild, WithInputs: s.WithInputs,
	}
}

// SubmissionReply answers POST /builds; one of the first two is set. Inputs
// is tbfg's own.
type SubmissionReply struct {
	Submitted    string `json:"build_submitted,omitempty"`
	NotSubmitted string `json:"no_build_submitted,omitempty"`
	Inputs       int    `json:"input_builds_submitted,omitempty"`
}

// Build is a build in a list and, with more, by itself.
type Build struct {
	UUID       string         `json:"uuid"`
	Derivation storepath.Path `json:"derivation_name"`
	System     string         `json:"system"`
	State      daemon.State   `json:"state"` // tbfg's own
	Priority   int64          `json:"priority"`
	Derived    int64          `json:"derived_priority"`
	Processed  bool           `json:"processed"`
	Canceled   bool           `json:"canceled"`
	Result     string         `json:"result,omitempty"`
	Agent      string         `json:"agent_id,omitempty"`
	Created    Time           `json:"created_at,omitzero"`
	Ended      Time           `json:"end_time,omitzero"`
	Deferred   Time           `json:"deferred_until,omitzero"`
	Tags       []Tag          `json:"tags"`
	BlockedBy  []string       `json:"blocked_by,omitempty"` // tbfg's own
}

// NewBuild is a build as it goes out.
func NewBuild(b daemon.Build) Build {
	out := Build{
		UUID: b.UUID, Derivation: b.Derivation, System: b.System, State: b.State, Priority: b.Priority,
		Derived: b.Derived, Agent: b.Agent, Created: Time{b.Created}, Ended: Time{b.Ended},
		Deferred: Time{b.NotBefore}, Tags: tagsOut(b.Tags), BlockedBy: b.BlockedBy,
	}
	switch b.State {
	case daemon.Succeeded:
		out.Processed, out.Result = true, Success
	case daemon.Failed:
		out.Processed, out.Result = true, Failure
	case daemon.Canceled:
		out.Canceled = true
	}
	return out
}

// BuildList answers GET /builds.
type BuildList struct {
	Builds []Build `json:"builds"`
}

// BuildDetail answers GET /build/UUID. Upstream's result is thought to be an
// object there, ours says the same in strings beside it.
type BuildDetail struct {
	Build
	FailureReason string         `json:"failure_reason,omitempty"`
	Starts        []Start        `json:"starts"`
	SetupFailures []FailureEvent `json:"setup_failures"`
	Outputs       []BuildOutput  `json:"outputs"`
	WaitsFor      []string       `json:"waits_for,omitempty"`
}

// Start is one time that an agent began to build.
type Start struct {
	Agent string `json:"agent_id"`
	Time  Time   `json:"start_time"`
}

// FailureEvent is a setup failure of a build.
type FailureEvent struct {
	Agent         string   `json:"agent_id"`
	Reason        string   `json:"failure_reason"`
	MissingInputs []string `json:"missing_inputs"`
	Time          Time     `json:"created_at"`
	Details       string   `json:"details,omitempty"` // tbfg's own
}

// BuildOutput is an output of a build; hash, size and references are there
// after a success.
type BuildOutput struct {
	Name       string         `json:"name"`
	Path       storepath.Path `json:"output"`
	Hash       string         `json:"hash,omitempty"`
	Size       int64          `json:"size,omitempty"`
	References []string       `json:"references,omitempty"`
}

// NewBuildDetail is a build with its history as it goes out.
func NewBuildDetail(d daemon.BuildDetail) BuildDetail {
	out := BuildDetail{Build: NewBuild(d.Build), FailureReason: d.FailureReason, WaitsFor: d.WaitsFor,
		Starts: []Start{}, SetupFailures: []FailureEvent{}, Outputs: []BuildOutput{}}
	for _, s := range d.Starts {
		out.Starts = append(out.Starts, Start{s.Agent, Time{s.Time}})
	}
	for _, f := range d.SetupFailures {
		out.SetupFailures = append(out.SetupFailures, FailureEvent{f.Agent, f.Reason, stringsOf(f.MissingInputs), Time{f.Time}, f.Details})
	}
	for _, o := range d.Outputs {
		out.Outputs = append(out.Outputs, BuildOutput{o.Name, o.Path, o.Hash, o.Size, stringsOf(o.References)})
	}
	return out
}
