package account

import (
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A graph tells what became of derivations.
type graph struct {
	*daemon.History
	makers  map[int64][]int // by output, indices of the open derivations that make it
	blocked map[int64][]int64
}

func newGraph(h *daemon.History) *graph {
	g := &graph{h, make(map[int64][]int), make(map[int64][]int64)}
	for i, d := range h.Open {
		for _, output := range d.Makes {
			g.makers[output] = append(g.makers[output], i)
		}
	}
	return g
}

func (g *graph) state(s daemon.Span) State {
	d, ok := g.Derivations[s.Derivation]
	switch {
	case s.Derivation == 0:
		return NotEvaluated
	case ok && d.Built:
		return Builds
	case g.failure(s.Derivation).Derivation != 0:
		return Fails
	case len(g.failedBelow(s.Derivation, d.Needs)) > 0:
		return Blocked
	}
	return Waiting
}

// failure is the failure of a derivation; the zero one if it has none.
func (g *graph) failure(derivation int64) daemon.FailureFact {
	for _, output := range g.Derivations[derivation].Makes {
		if f, failed := g.Failures[output]; failed {
			return f
		}
	}
	return daemon.FailureFact{}
}

// blockers are the failures that block a derivation: the first ones in each
// chain of inputs.
func (g *graph) blockers(derivation int64) []daemon.FailureFact {
	var list []daemon.FailureFact
	seen := make(map[int64]bool) // a derivation may have several outputs
	for _, output := range g.failedBelow(derivation, g.Derivations[derivation].Needs) {
		if f := g.Failures[output]; !seen[f.Derivation] {
			seen[f.Derivation] = true
			list = append(list, f)
		}
	}
	return list
}

// failedBelow are the failed outputs that keep a derivation with these needs
// from being built. What no build of the farm makes comes from elsewhere, and
// blocks nothing.
func (g *graph) failedBelow(derivation int64, needs []int64) []int64 {
	if failed, known := g.blocked[derivation]; known || len(g.Failures) == 0 {
		return failed
	}
	g.blocked[derivation] = nil // derivations cannot need themselves; damaged ones do no harm
	var failed []int64
	for _, output := range needs {
		if _, is := g.Failures[output]; is {
			failed = append(failed, output)
			continue
		}
		for _, i := range g.makers[output] {
			failed = append(failed, g.failedBelow(g.Open[i].ID, g.Open[i].Needs)...)
		}
	}
	slices.Sort(failed)
	failed = slices.Compact(failed)
	g.blocked[derivation] = failed
	return failed
}

// Name is what people call a derivation: its file's name without hash and
// ending.
func Name(p storepath.Path) string { return strings.TrimSuffix(p.Name(), ".drv") }
