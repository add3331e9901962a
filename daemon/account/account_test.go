package account

import (
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

// Derivations 1 to 4 of what follows: one that builds, one that fails, one
// that needs that, and one of which nothing is known.
func world(spans ...daemon.Span) daemon.History {
	h := daemon.History{
		Derivations: map[int64]daemon.DerivationFact{
			1: {Path: "/gnu/store/00000000000000000000000000000001-good-1.drv", Built: true, Build: "b1"},
			2: {Path: "/gnu/store/00000000000000000000000000000002-bad-1.drv", Makes: []int64{12}, Build: "b2"},
			3: {Path: "/gnu/store/00000000000000000000000000000003-above-1.drv", Makes: []int64{13}, Needs: []int64{12, 99}, Build: "b3"},
			4: {Path: "/gnu/store/00000000000000000000000000000004-new-1.drv", Makes: []int64{14}, Build: "b4"},
		},
		Failures: map[int64]daemon.FailureFact{12: {Derivation: 2, Path: "/gnu/store/00000000000000000000000000000002-bad-1.drv", Build: "b2"}},
		Packages: []daemon.PackageHistory{{ID: 1, Package: "p", System: "x86_64-linux", Spans: spans}},
	}
	for e := 1; e <= 5; e++ {
		h.Evaluations = append(h.Evaluations, daemon.Evaluation{Number: e, Revision: string(rune('a' + e - 1))})
	}
	return h
}

func TestSinceWhen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spans []daemon.Span
		since int
		want  Package
	}{
		{"it always built", []daemon.Span{{First: 1, Derivation: 1}}, 0, Package{State: Builds, Since: 1, LastGood: 5, Build: "b1"}},
		{"it broke just now", []daemon.Span{{First: 1, Last: 4, Derivation: 1}, {First: 5, Derivation: 2}}, 0,
			Package{State: Fails, Since: 5, FirstBad: 5, LastGood: 4, Change: Broken, Build: "b2"}},
		{"it broke before", []daemon.Span{{First: 1, Last: 2, Derivation: 1}, {First: 3, Derivation: 2}}, 0,
			Package{State: Fails, Since: 3, FirstBad: 3, LastGood: 2, Build: "b2"}},
		{"it broke since the evaluation that was asked for", []daemon.Span{{First: 1, Last: 2, Derivation: 1}, {First: 3, Derivation: 2}}, 2,
			Package{State: Fails, Since: 3, FirstBad: 3, LastGood: 2, Change: Broken, Build: "b2"}},
		{"it was fixed", []daemon.Span{{First: 2, Last: 4, Derivation: 3}, {First: 5, Derivation: 1}}, 0,
			Package{State: Builds, Since: 5, LastGood: 5, Change: Fixed, Build: "b1"}},
		{"it failed in another way before", []daemon.Span{{First: 2, Last: 4, Derivation: 2}, {First: 5, Derivation: 3}}, 0,
			Package{State: Blocked, Since: 2, FirstBad: 2, Build: "b3", BlockedBy: []int{0}}},
		{"it never got built in between", []daemon.Span{{First: 1, Last: 2, Derivation: 2}, {First: 3, Last: 4, Derivation: 4}, {First: 5, Derivation: 2}}, 0,
			Package{State: Fails, Since: 1, FirstBad: 1, Build: "b2"}},
		{"it waits, and built before", []daemon.Span{{First: 1, Last: 3, Derivation: 1}, {First: 4, Derivation: 4}}, 0,
			Package{State: Waiting, Since: 4, LastGood: 3, Build: "b4"}},
		{"it cannot be evaluated any more", []daemon.Span{{First: 1, Last: 4, Derivation: 1}, {First: 5, Error: "unbound variable: gcc"}}, 0,
			Package{State: NotEvaluated, Since: 5, FirstBad: 5, LastGood: 4, Change: Broken, Error: "unbound variable: gcc"}},
		{"it is new and fails", []daemon.Span{{First: 5, Derivation: 2}}, 0, Package{State: Fails, Since: 5, FirstBad: 5, Build: "b2"}},
		{"it was away", []daemon.Span{{First: 1, Last: 2, Derivation: 1}, {First: 5, Derivation: 1}}, 0,
			Package{State: Builds, Since: 1, LastGood: 5, Build: "b1"}},
	} {
		a := Compute(world(tt.spans...), Options{Since: tt.since})
		if len(a.Packages) != 1 {
			t.Errorf("%s: got %d packages, want 1", tt.name, len(a.Packages))
			continue
		}
		got := a.Packages[0]
		tt.want.ID, tt.want.Package, tt.want.System, tt.want.Derivation = 1, "p", "x86_64-linux", got.Derivation
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestWhatIsGoneIsNotCounted(t *testing.T) {
	a := Compute(world(daemon.Span{First: 1, Last: 3, Derivation: 2}), Options{})
	if len(a.Packages) != 0 || a.Counts.Total() != 0 || len(a.Failures) != 0 {
		t.Errorf("got %+v, want no packages", a)
	}
	if n := a.At(3).Counts[Fails]; n != 1 {
		t.Errorf("got %d failures at the third evaluation, want 1", n)
	}
}

func TestAnAccountOfNothing(t *testing.T) {
	if a := Compute(daemon.History{}, Options{}); a.Evaluation != 0 || a.Percent != 0 || a.Packages == nil {
		t.Errorf("got %+v, want an empty account", a)
	}
}

func TestAnAccountOfOneSystem(t *testing.T) {
	h := world(daemon.Span{First: 1, Derivation: 1})
	h.Packages = append(h.Packages, daemon.PackageHistory{ID: 2, Package: "p", System: "i686-linux", Spans: []daemon.Span{{First: 1, Derivation: 3}}})
	a := Compute(h, Options{System: "i686-linux"})
	if diff := cmp.Diff(Counts{Blocked: 1}, a.Counts); diff != "" || len(a.Failures) != 1 || a.Failures[0].Blocks != 1 {
		t.Errorf("got %+v, counts (-want +got)\n%s", a, diff)
	}
}
