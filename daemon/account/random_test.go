package account

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// obvious computes the rows of an account in the plainest way: one evaluation
// after the other, every chain of inputs walked anew.
func obvious(h daemon.History, since int) []Package {
	rows := []Package{}
	now := h.Evaluations[len(h.Evaluations)-1].Number
	for _, p := range h.Packages {
		states := make(map[int]State) // by evaluation
		current := daemon.Span{}
		for e := 1; e <= now; e++ {
			for _, s := range p.Spans {
				if s.First <= e && (s.Last == 0 || e <= s.Last) {
					states[e] = obviousState(h, s)
					if e == now {
						current = s
					}
				}
			}
		}
		state, there := states[now]
		if !there {
			continue
		}
		row := Package{Package: p.Package, System: p.System, State: state, Error: current.Error,
			Derivation: h.Derivations[current.Derivation].Path}
		settled := func(e int) bool { return states[e].Good() || states[e].Bad() }
		for e := 1; e <= now; e++ {
			if states[e].Good() {
				row.LastGood = e
			}
		}
		before := State("")
		for e := 1; e <= since; e++ {
			if settled(e) {
				before = states[e]
			}
		}
		if before.Good() && state.Bad() {
			row.Change = Broken
		}
		if before.Bad() && state.Good() {
			row.Change = Fixed
		}
		for e := now; e >= 1; e-- {
			if state == Waiting && states[e] != Waiting || settled(e) && states[e].Good() != state.Good() {
				break
			}
			if states[e] == state || settled(e) && states[e].Good() == state.Good() {
				row.Since = e
			}
		}
		if state.Bad() {
			row.FirstBad = row.Since
		}
		rows = append(rows, row)
	}
	return rows
}

func obviousState(h daemon.History, s daemon.Span) State {
	if s.Derivation == 0 {
		return NotEvaluated
	}
	d := h.Derivations[s.Derivation]
	if d.Built {
		return Builds
	}
	for _, output := range d.Makes {
		if _, failed := h.Failures[output]; failed {
			return Fails
		}
	}
	if len(obviousBlockers(h, d.Needs)) > 0 {
		return Blocked
	}
	return Waiting
}

func obviousBlockers(h daemon.History, needs []int64) map[int64]bool {
	by := make(map[int64]bool)
	for _, output := range needs {
		if f, failed := h.Failures[output]; failed {
			by[f.Derivation] = true
			continue
		}
		for _, o := range h.Open {
			if slices.Contains(o.Makes, output) {
				for f := range obviousBlockers(h, o.Needs) {
					by[f] = true
				}
			}
		}
	}
	return by
}

// randomHistory makes up a history. Derivation n makes the output 100+n, and
// some make another one.
func randomHistory(r *rand.Rand) daemon.History {
	h := daemon.History{Derivations: make(map[int64]daemon.DerivationFact), Failures: make(map[int64]daemon.FailureFact)}
	evaluations, derivations := 1+r.IntN(8), int64(1+r.IntN(30))
	for e := range evaluations {
		h.Evaluations = append(h.Evaluations, daemon.Evaluation{Number: e + 1, Revision: fmt.Sprint("r", e+1),
			Time: time.Unix(int64(e)*3600, 0).UTC()})
	}
	for id := int64(1); id <= derivations; id++ {
		d := daemon.DerivationFact{Path: storepath.Path(fmt.Sprintf("/gnu/store/%032d-p-%d.drv", id, id)), Makes: []int64{100 + id}}
		if r.IntN(4) == 0 {
			d.Makes = append(d.Makes, 500+id)
		}
		for in := int64(1); in < id; in++ {
			if r.IntN(6) == 0 {
				d.Needs = append(d.Needs, 100+in)
			}
		}
		switch fate := r.IntN(4); fate {
		case 0:
			d.Built = true
		case 1:
			for _, output := range d.Makes {
				h.Failures[output] = daemon.FailureFact{Derivation: id, Path: d.Path, Build: fmt.Sprint("build-", id)}
			}
		case 2:
			h.Open = append(h.Open, daemon.OpenDerivation{ID: id, Makes: d.Makes, Needs: d.Needs})
		}
		h.Derivations[id] = d
	}
	for n := range r.IntN(12) {
		p := daemon.PackageHistory{ID: int64(n + 1), Package: fmt.Sprint("p", n), System: "x86_64-linux"}
		for e := 1; e <= evaluations; e++ {
			if open := len(p.Spans) > 0 && p.Spans[len(p.Spans)-1].Last == 0; open && r.IntN(2) == 0 {
				continue
			} else if open {
				p.Spans[len(p.Spans)-1].Last = e - 1
			}
			switch r.IntN(6) {
			case 0: // it is not there
			case 1:
				p.Spans = append(p.Spans, daemon.Span{First: e, Error: "unbound variable"})
			default:
				p.Spans = append(p.Spans, daemon.Span{First: e, Derivation: 1 + r.Int64N(derivations)})
			}
		}
		if len(p.Spans) > 0 {
			h.Packages = append(h.Packages, p)
		}
	}
	return h
}

func TestAccountsAgreeWithTheObviousComputation(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		h := randomHistory(r)
		now := h.Evaluations[len(h.Evaluations)-1].Number
		since := 1 + r.IntN(now)
		a := Compute(h, Options{Since: since})
		ignore := cmpopts.IgnoreFields(Package{}, "ID", "Build", "BlockedBy")
		if diff := cmp.Diff(obvious(h, since), a.Packages, ignore); diff != "" {
			t.Fatalf("seed %d: packages (-want +got)\n%s", seed, diff)
		}
		checkSums(t, seed, h, a)
	}
}

// checkSums checks what an account sums up.
func checkSums(t *testing.T, seed uint64, h daemon.History, a Account) {
	t.Helper()
	counts, blocks := make(Counts), make(map[storepath.Path]int)
	for _, p := range a.Packages {
		counts[p.State]++
		var by []storepath.Path
		for _, i := range p.BlockedBy {
			by = append(by, a.Failures[i].Derivation)
			blocks[a.Failures[i].Derivation]++
		}
		var want []storepath.Path
		if p.State == Blocked {
			for _, d := range h.Derivations {
				if d.Path == p.Derivation {
					for f := range obviousBlockers(h, d.Needs) {
						want = append(want, h.Derivations[f].Path)
					}
				}
			}
		}
		slices.Sort(by)
		slices.Sort(want)
		if diff := cmp.Diff(want, by, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: what blocks %s (-want +got)\n%s", seed, p.Package, diff)
		}
	}
	if diff := cmp.Diff(counts, a.Counts); diff != "" {
		t.Fatalf("seed %d: counts (-want +got)\n%s", seed, diff)
	}
	for i, f := range a.Failures {
		if f.Blocks != blocks[f.Derivation] || i > 0 && a.Failures[i-1].Blocks < f.Blocks {
			t.Fatalf("seed %d: %s blocks %d, want %d, after one with no less", seed, f.Name, f.Blocks, blocks[f.Derivation])
		}
	}
	for _, e := range a.Evaluations {
		want := make(Counts)
		for _, p := range h.Packages {
			for _, s := range p.Spans {
				if s.First <= e.Number && (s.Last == 0 || e.Number <= s.Last) {
					want[obviousState(h, s)]++
				}
			}
		}
		if diff := cmp.Diff(want, e.Counts); diff != "" {
			t.Fatalf("seed %d: evaluation %d (-want +got)\n%s", seed, e.Number, diff)
		}
	}
}
