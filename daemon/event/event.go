// Package event has the names of the farm's events and nothing else, so that
// the configuration, in which people name them, knows no more of the farm.
package event

// The names of events, upstream's where they are known.
const (
	BuildSubmitted     = "build-submitted"
	BuildStarted       = "build-started"
	BuildSuccess       = "build-success"
	BuildFailure       = "build-failure"
	BuildCanceled      = "build-canceled"
	BuildMissingInputs = "build-missing-inputs"
	AgentStatusChanged = "agent-status"

	// Of collections.
	PackageBroken  = "package-broken"
	PackageFixed   = "package-fixed"
	EvaluationDone = "evaluation-done"
)

// Names are the names of all events.
var Names = []string{BuildSubmitted, BuildStarted, BuildSuccess, BuildFailure, BuildCanceled, BuildMissingInputs, AgentStatusChanged,
	PackageBroken, PackageFixed, EvaluationDone}
