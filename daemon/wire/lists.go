package wire

import (
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// OutputDetail answers GET /output: who could make a store item.
type OutputDetail struct {
	Output      storepath.Path   `json:"output"`
	Derivations []storepath.Path `json:"derivations"`
	Builds      []Build          `json:"builds"` // of these, the oldest first
}

// NewOutputDetail is that as it goes out.
func NewOutputDetail(output storepath.Path, derivations []storepath.Path, builds []daemon.Build) OutputDetail {
	out := OutputDetail{Output: output, Derivations: derivations, Builds: make([]Build, len(builds))}
	for i, b := range builds {
		out.Builds[i] = NewBuild(b)
	}
	return out
}

// ListedSetupFailure is a setup failure in a SetupFailureList.
type ListedSetupFailure struct {
	ID            int64          `json:"setup_failure_id"`
	Build         string         `json:"uuid"`
	Derivation    storepath.Path `json:"derivation_name"`
	Agent         string         `json:"agent_id"`
	Reason        string         `json:"failure_reason"`
	MissingInputs []string       `json:"missing_inputs"` // the first of them
	Missing       int            `json:"missing_inputs_count"`
	Time          Time           `json:"created_at"`
}

// SetupFailureList answers GET /setup-failures, the newest first.
type SetupFailureList struct {
	Failures []ListedSetupFailure `json:"setup_failures"`
}

// NewSetupFailureList is such a list as it goes out.
func NewSetupFailureList(failures []daemon.ListedSetupFailure) SetupFailureList {
	list := SetupFailureList{make([]ListedSetupFailure, len(failures))}
	for i, f := range failures {
		list.Failures[i] = ListedSetupFailure{f.ID, f.Build, f.Derivation, f.Agent, f.Reason, stringsOf(f.MissingInputs), f.Missing, Time{f.Time}}
	}
	return list
}
