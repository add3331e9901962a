package account

import (
	"codeberg.org/tbfg/tbfg/daemon"
)

// look fills in since when a package is as it is, and what changed since
// another evaluation. Evaluations at which the package was missing, or for
// which it was never known whether it builds, say nothing.
func (p *Package) look(spans []daemon.Span, states []State, now, since int) {
	n := len(spans) - 1
	p.Since = spans[n].First
	if p.State == Waiting {
		for i := n - 1; i >= 0 && states[i] == Waiting && spans[i].Last == spans[i+1].First-1; i-- {
			p.Since = spans[i].First
		}
	}
	before := Waiting // what it was at the other evaluation, or last before
	opposite := false // met, so that what is older does not count for since
	for i := n; i >= 0; i-- {
		if states[i] == Waiting {
			continue
		}
		if before == Waiting && spans[i].First <= since {
			before = states[i]
		}
		switch {
		case opposite || p.State == Waiting:
		case states[i].Good() == p.State.Good():
			p.Since = spans[i].First
		default:
			opposite = true
		}
		if p.LastGood == 0 && states[i].Good() {
			if p.LastGood = spans[i].Last; p.LastGood == 0 {
				p.LastGood = now
			}
		}
	}
	if p.State.Bad() {
		p.FirstBad = p.Since
	}
	switch {
	case before.Good() && p.State.Bad():
		p.Change = Broken
	case before.Bad() && p.State.Good():
		p.Change = Fixed
	}
}

// A timeline counts the states of packages at each evaluation.
type timeline struct {
	evaluations []daemon.Evaluation
	steps       []Counts // what begins, less what ended before
}

func newTimeline(evaluations []daemon.Evaluation) *timeline {
	t := &timeline{evaluations, make([]Counts, len(evaluations)+1)}
	for i := range t.steps {
		t.steps[i] = make(Counts)
	}
	return t
}

// index is that of the first evaluation with a number, or a later one.
func (t *timeline) index(number int) int {
	first := t.evaluations[0].Number // they have no gaps
	return min(max(0, number-first), len(t.evaluations))
}

func (t *timeline) add(s daemon.Span, state State) {
	t.steps[t.index(s.First)][state]++
	if s.Last != 0 {
		t.steps[t.index(s.Last+1)][state]--
	}
}

func (t *timeline) points() []Evaluation {
	points := make([]Evaluation, len(t.evaluations))
	sum := make(Counts)
	for i, e := range t.evaluations {
		points[i] = Evaluation{e.Number, e.Revision, e.Time, make(Counts)}
		for state, n := range t.steps[i] {
			sum[state] += n
		}
		for state, n := range sum {
			if n > 0 {
				points[i].Counts[state] = n
			}
		}
	}
	return points
}
