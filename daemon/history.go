package daemon

import (
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A History is all that the farm remembers of a collection. Derivations and
// outputs are named by their rows in the database.
type History struct {
	Evaluations []Evaluation // by number
	Packages    []PackageHistory
	Derivations map[int64]DerivationFact // those of the packages
	// Failures are the failed outputs of the whole farm that no build makes
	// anew, with the derivation that failed.
	Failures map[int64]FailureFact
	// Open are the derivations of the whole farm that have builds, of which
	// none came to an end. What needs them can be blocked through them.
	Open []OpenDerivation
}

// A PackageHistory is what a package was in the evaluations of a collection.
type PackageHistory struct {
	ID      int64
	Package string
	System  string
	Target  string
	Told    Told
	Spans   []Span // by First; they do not overlap
}

// A Span is what a package was from one evaluation to another, both included:
// a derivation, or an error.
type Span struct {
	First, Last int   // Last is 0 while it holds
	Derivation  int64 // 0 for an error
	Error       string
}

// A DerivationFact is what became of a derivation.
type DerivationFact struct {
	Path  storepath.Path
	Built bool
	Build string // the newest build that was not canceled; may be empty
	Makes []int64
	Needs []int64
}

// A FailureFact is a derivation whose build failed.
type FailureFact struct {
	Derivation int64
	Path       storepath.Path
	Build      string    // empty if it is kept no longer
	Time       time.Time // zero if it is kept no longer
}

// An OpenDerivation is one of which nothing is known yet.
type OpenDerivation struct {
	ID    int64
	Makes []int64
	Needs []int64
}

// Told is what hooks were told of a package last.
type Told int

// What hooks can be told of a package.
const (
	ToldNothing Told = iota
	ToldBuilds
	ToldBroken
)
