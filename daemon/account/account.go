package account

import (
	"cmp"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A State is what there is to say of a package.
type State string

// The states. Waiting is the one of which more will be known; the first is
// good, the others are bad.
const (
	Builds       State = "builds"
	Fails        State = "fails"
	Blocked      State = "blocked" // something that it needs fails
	Waiting      State = "waiting"
	NotEvaluated State = "not-evaluated" // it has no derivation
)

// States are all states in the order in which they are shown.
var States = []State{Builds, Fails, Blocked, NotEvaluated, Waiting}

// Good and Bad tell what a state means to those who want to use the package.
func (s State) Good() bool { return s == Builds }
func (s State) Bad() bool  { return s == Fails || s == Blocked || s == NotEvaluated }

// A Change is what became of a package since another evaluation.
type Change string

// The changes; most packages have none.
const (
	Broken Change = "broken"
	Fixed  Change = "fixed"
)

// Counts says how many packages are in each state.
type Counts map[State]int

// Total is how many packages there are.
func (c Counts) Total() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// Percent is how many of a hundred build.
func (c Counts) Percent() float64 {
	if c.Total() == 0 {
		return 0
	}
	return 100 * float64(c[Builds]) / float64(c.Total())
}

// An Account is what there is to say of a collection. As JSON it is what "tbfg
// report --json" prints.
type Account struct {
	Collection  string       `json:"collection"`
	Updated     time.Time    `json:"updated,omitzero"` // when the last update that worked began
	Trouble     string       `json:"trouble,omitempty"`
	Updating    bool         `json:"updating,omitempty"`
	Evaluation  int          `json:"evaluation"` // the latest; 0 if there was none
	Since       int          `json:"compared_with,omitempty"`
	Counts      Counts       `json:"counts"`
	Percent     float64      `json:"percent"`
	Broken      int          `json:"broken"`
	Fixed       int          `json:"fixed"`
	Packages    []Package    `json:"packages"`
	Failures    []Failure    `json:"failures"` // those that block most first
	Evaluations []Evaluation `json:"evaluations"`
}

// An Evaluation is one of the collection, with what became of its packages.
type Evaluation struct {
	Number   int       `json:"number"`
	Revision string    `json:"revision"`
	Time     time.Time `json:"time"`
	Counts   Counts    `json:"counts"`
}

// A Package is one in the latest evaluation, for one system. Evaluations are
// given by their numbers, 0 for none.
type Package struct {
	ID         int64          `json:"-"`
	Told       daemon.Told    `json:"-"`
	Package    string         `json:"package"`
	System     string         `json:"system"`
	Target     string         `json:"target,omitempty"`
	State      State          `json:"state"`
	Change     Change         `json:"change,omitempty"`
	Since      int            `json:"since"` // in this state, or in another as good or bad
	LastGood   int            `json:"last_good,omitempty"`
	FirstBad   int            `json:"first_failing,omitempty"` // after that, if it is bad
	Derivation storepath.Path `json:"derivation,omitempty"`
	Build      string         `json:"build,omitempty"`      // UUID
	BlockedBy  []int          `json:"blocked_by,omitempty"` // indices into the failures
	Error      string         `json:"error,omitempty"`      // why it was not evaluated
}

// A Failure is a failed derivation that keeps packages of the collection from
// being built: itself, or those that it blocks.
type Failure struct {
	Name       string         `json:"name"`
	Derivation storepath.Path `json:"derivation"`
	Build      string         `json:"build,omitempty"` // UUID; empty if it is kept no longer
	Time       time.Time      `json:"time,omitzero"`
	Blocks     int            `json:"blocks"`
	LogEnd     string         `json:"log_end,omitempty"` // last lines of its log
}

// Options say which account is wanted.
type Options struct {
	System string // only packages for it; empty for all
	Since  int    // the evaluation to compare with; 0 for the one before the latest
}

// Compute works out the account of a history.
func Compute(h daemon.History, o Options) Account {
	a := Account{Counts: make(Counts), Packages: []Package{}, Failures: []Failure{}, Evaluations: []Evaluation{}}
	if len(h.Evaluations) == 0 {
		return a
	}
	a.Evaluation = h.Evaluations[len(h.Evaluations)-1].Number
	if a.Since = o.Since; a.Since == 0 {
		a.Since = a.Evaluation - 1
	}
	g := newGraph(&h)
	counts := newTimeline(h.Evaluations)
	failures := make(map[int64]int) // indices by derivation
	failure := func(f daemon.FailureFact) int {
		i, met := failures[f.Derivation]
		if !met {
			i = len(a.Failures)
			failures[f.Derivation] = i
			a.Failures = append(a.Failures, Failure{Name: Name(f.Path), Derivation: f.Path, Build: f.Build, Time: f.Time})
		}
		return i
	}
	for i := range h.Packages {
		p := &h.Packages[i]
		if o.System != "" && p.System != o.System {
			continue
		}
		states := make([]State, len(p.Spans))
		for j, s := range p.Spans {
			states[j] = g.state(s)
			counts.add(s, states[j])
		}
		last := p.Spans[len(p.Spans)-1]
		if last.Last != 0 {
			continue // the latest evaluation does not have it
		}
		row := Package{ID: p.ID, Told: p.Told, Package: p.Package, System: p.System, Target: p.Target,
			State: states[len(states)-1], Error: last.Error}
		row.look(p.Spans, states, a.Evaluation, a.Since)
		if d, ok := h.Derivations[last.Derivation]; ok {
			row.Derivation, row.Build = d.Path, d.Build
		}
		switch row.State {
		case Fails:
			f := g.failure(last.Derivation)
			failure(f)
			row.Build = f.Build
		case Blocked:
			for _, f := range g.blockers(last.Derivation) {
				i := failure(f)
				a.Failures[i].Blocks++
				row.BlockedBy = append(row.BlockedBy, i)
			}
		}
		a.Packages = append(a.Packages, row)
		a.Counts[row.State]++
		switch row.Change {
		case Broken:
			a.Broken++
		case Fixed:
			a.Fixed++
		}
	}
	a.Percent = a.Counts.Percent()
	a.Evaluations = counts.points()
	a.order()
	return a
}

// order sorts the failures, those first that block most.
func (a *Account) order() {
	order := make([]int, len(a.Failures))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		f, g := &a.Failures[x], &a.Failures[y]
		return cmp.Or(g.Blocks-f.Blocks, cmp.Compare(f.Name, g.Name), cmp.Compare(f.Derivation, g.Derivation))
	})
	place := make([]int, len(order))
	sorted := make([]Failure, len(order))
	for i, old := range order {
		place[old], sorted[i] = i, a.Failures[old]
	}
	a.Failures = sorted
	for i := range a.Packages {
		by := a.Packages[i].BlockedBy
		for j := range by {
			by[j] = place[by[j]]
		}
		slices.Sort(by)
	}
}

// At is the evaluation with a number; the zero one if there is none.
func (a *Account) At(number int) Evaluation {
	i, found := slices.BinarySearchFunc(a.Evaluations, number, func(e Evaluation, n int) int { return e.Number - n })
	if !found {
		return Evaluation{}
	}
	return a.Evaluations[i]
}
