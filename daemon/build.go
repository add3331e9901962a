package daemon

import (
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A State says where a build is in its life.
type State string

// The states of a build. Waiting, blocked and ready are derived from the
// builds of its inputs; the others are facts in the database.
const (
	Deferred  State = "deferred"  // not before its time
	Waiting   State = "waiting"   // an input's build is not finished
	Blocked   State = "blocked"   // an input's build failed
	Ready     State = "ready"     // waits for an agent
	Allocated State = "allocated" // an agent holds it
	Started   State = "started"   // the agent builds it
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// States lists every state, in the order of a build's life.
var States = []State{Deferred, Waiting, Blocked, Ready, Allocated, Started, Succeeded, Failed, Canceled}

// Finished tells whether nothing more will happen to a build in this state.
func (s State) Finished() bool { return s == Succeeded || s == Failed || s == Canceled }

// A Build is one wish to build one derivation. Several builds of the same
// derivation may exist.
type Build struct {
	UUID       string
	Derivation storepath.Path
	System     string
	State      State
	Priority   int64
	Derived    int64 // the highest priority among itself and what waits for it
	Created    time.Time
	Ended      time.Time // zero while it is not finished
	NotBefore  time.Time // zero unless deferred
	Agent      string    // who holds it or finished it; may be empty
	Tags       []Tag
	BlockedBy  []string // UUIDs of the failed builds that block it
}

// A BuildDetail is a build with all that happened to it.
type BuildDetail struct {
	Build
	Outputs       []Output
	Starts        []Start
	SetupFailures []SetupFailure
	FailureReason string   // what the agent said of a failure; may be empty
	WaitsFor      []string // UUIDs of the unfinished builds of its inputs
}

// A Tag is a key and a value that people put on builds and agents.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A Start is one time that an agent began to build.
type Start struct {
	Agent string
	Time  time.Time
}

// An Output is one output of a derivation. After a success the agent's
// account of it is filled in; until then Hash is empty.
type Output struct {
	Name       string
	Path       storepath.Path
	Hash       string // "sha256:" and base 32, of the NAR
	Size       int64  // bytes of the NAR
	References []storepath.Path
}

// Kept is an output of which the coordinator has a file.
type Kept struct {
	Build      string // the UUID of the build that made it
	Derivation storepath.Path
	Output
	Compression string // of the file: "lzip", "zstd" or "none"
	FileSize    int64  // in bytes
}

// CheckOutputName refuses what cannot be the name of a derivation's output, and
// in particular what cannot be the name of a file.
func CheckOutputName(name string) error {
	ok := name != "" && len(name) <= 200 && name[0] != '.'
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("+-._?=", c))
	}
	if !ok {
		return Errorf(Invalid, "%.80q is no name of an output", name)
	}
	return nil
}

// Reasons why an agent could not begin a build, spelled as upstream's agent
// spells them where that is known.
const (
	MissingInputs        = "missing_inputs"
	CouldNotDelete       = "could_not_delete_outputs"
	CouldNotFetch        = "could_not_fetch_derivation"
	UnsupportedPlatform  = "unsupported_platform"
	maxMissingInputs     = 10_000
	maxFailureReasonSize = 4096
)

// A SetupFailure is an agent's report that it could not begin a build.
// The build goes back to the queue.
type SetupFailure struct {
	Agent         string
	Reason        string
	MissingInputs []storepath.Path
	Details       string // for people; may be empty
	Time          time.Time
}

// A ListedSetupFailure is a setup failure in the list of those of all builds.
type ListedSetupFailure struct {
	SetupFailure        // only the first of its missing inputs
	ID           int64  // later ones have higher ones
	Build        string // UUID
	Derivation   storepath.Path
	Missing      int // missing inputs in all
}

// Check bounds what an agent reports.
func (f *SetupFailure) Check() error {
	if f.Reason == "" || len(f.Reason) > maxFailureReasonSize {
		return Errorf(Invalid, "setup failure: the failure reason must have 1 to %d bytes", maxFailureReasonSize)
	}
	if len(f.Details) > maxFailureReasonSize {
		f.Details = f.Details[:maxFailureReasonSize]
	}
	if len(f.MissingInputs) > maxMissingInputs {
		return Errorf(Invalid, "setup failure: more than %d missing inputs", maxMissingInputs)
	}
	return nil
}

// A Result is an agent's report of how a build ended.
type Result struct {
	Success bool
	Ended   time.Time
	Outputs []Output // of a success
	Reason  string   // of a failure, for people; may be empty
}

// Check bounds what an agent reports.
func (r *Result) Check() error {
	if len(r.Reason) > maxFailureReasonSize {
		r.Reason = r.Reason[:maxFailureReasonSize]
	}
	for _, o := range r.Outputs {
		if o.Size < 0 {
			return Errorf(Invalid, "result: output %s has the negative size %d", o.Name, o.Size)
		}
	}
	return nil
}

// A Submission asks for a build.
type Submission struct {
	Derivation     storepath.Path
	SubstituteURLs []string // where the coordinator finds derivations it lacks; empty for its configured ones
	Priority       int64    // higher first
	UUID           string   // the build's identifier, if the caller wishes to choose it
	Tags           []Tag
	NotBefore      time.Time

	// SkipIfDerivationHasBuild and SkipIfOutputsHaveBuild submit nothing
	// where there is such a build that did not get canceled.
	SkipIfDerivationHasBuild bool
	SkipIfOutputsHaveBuild   bool
	// WithInputs submits builds also for those derivations of the input
	// graph whose outputs have none.
	WithInputs bool
}

// A Submitted says what became of a submission. Exactly one of UUID and
// Reason is set.
type Submitted struct {
	UUID   string
	Reason string // why no build was submitted
	Inputs int    // builds submitted for inputs besides
}

// Why a submission led to no build.
const (
	DerivationHasBuild = "build-already-exists-for-this-derivation"
	OutputHasBuild     = "build-already-exists-for-a-output"
)

// What became of a wish to cancel a build, in upstream's words.
const (
	BuildWasCanceled        = "build-canceled"
	BuildRequiredByAnother  = "build-required-by-another"
	BuildAlreadyProcessed   = "build-already-processed"
	BuildWasCanceledAlready = "build-already-canceled"
)

// An Allocation is a build in an agent's hands.
type Allocation struct {
	UUID       string         `json:"build_id"`
	Derivation storepath.Path `json:"derivation"`
	Priority   int64          `json:"priority,omitempty"`
	Tags       []Tag          `json:"tags,omitempty"`
	KeepOutput bool           `json:"keep_output,omitempty"` // the coordinator wants the outputs uploaded
}
