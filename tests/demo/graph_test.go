package main

import (
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestForesee(t *testing.T) {
	broken := &flaw{}
	for _, test := range []struct {
		name     string
		packages []pkg
		want     map[string]outcome
	}{
		{"a package that needs nothing is built", []pkg{{name: "a"}}, map[string]outcome{
			"a": {state: daemon.Succeeded},
		}},
		{"a broken package fails and blocks those above it, to the top", []pkg{
			{name: "a", fate: broken}, {name: "b", needs: []string{"a"}}, {name: "c", needs: []string{"b"}}, {name: "d"},
		}, map[string]outcome{
			"a": {state: daemon.Failed},
			"b": {daemon.Blocked, []string{"a"}},
			"c": {daemon.Blocked, []string{"a"}},
			"d": {state: daemon.Succeeded},
		}},
		{"all that failed below block, once each and in order", []pkg{
			{name: "z", fate: broken}, {name: "y", fate: broken}, {name: "x", needs: []string{"z", "y"}},
			{name: "w", needs: []string{"x", "z"}},
		}, map[string]outcome{
			"z": {state: daemon.Failed}, "y": {state: daemon.Failed},
			"x": {daemon.Blocked, []string{"y", "z"}},
			"w": {daemon.Blocked, []string{"y", "z"}},
		}},
		{"a broken package that is blocked never fails", []pkg{
			{name: "a", fate: broken}, {name: "b", fate: broken, needs: []string{"a"}}, {name: "c", needs: []string{"b"}},
		}, map[string]outcome{
			"a": {state: daemon.Failed},
			"b": {daemon.Blocked, []string{"a"}},
			"c": {daemon.Blocked, []string{"a"}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, foresee(test.packages), cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// TestTheTeamIsWorthShowing checks what the demo promises of its packages.
func TestTheTeamIsWorthShowing(t *testing.T) {
	if len(team) < 30 {
		t.Errorf("%d packages", len(team))
	}
	last := team[len(team)-1]
	below := map[string]bool{last.name: true} // the last package and all that it needs
	for _, p := range slices.Backward(team) {
		if !below[p.name] {
			t.Errorf("%s does not need %s", last.name, p.name)
		}
		for _, need := range p.needs {
			below[need] = true
		}
	}
	fates := make(map[*flaw]string)
	seen := make(map[string]bool)
	for _, p := range team {
		for _, need := range p.needs {
			if !seen[need] {
				t.Errorf("%s needs %s, which is not listed before it", p.name, need)
			}
		}
		if seen[p.name] {
			t.Errorf("%s is listed twice", p.name)
		}
		seen[p.name] = true
		if p.takes < 100 || p.takes > 1500 {
			t.Errorf("%s takes %d ms", p.name, p.takes)
		}
		if p.fate != nil {
			if other := fates[p.fate]; other != "" {
				t.Errorf("%s and %s fail in the same way", other, p.name)
			}
			fates[p.fate] = p.name
		}
	}
	failed, blocks := 0, make(map[string]int)
	for _, o := range foresee(team) {
		if o.state == daemon.Failed {
			failed++
		}
		for _, name := range o.by {
			blocks[name]++
		}
	}
	if failed != len(fates) || failed < 3 {
		t.Errorf("%d packages fail, %d are broken", failed, len(fates))
	}
	if !slices.ContainsFunc(team, func(p pkg) bool { return blocks[p.name] >= 8 }) {
		t.Errorf("no failure blocks many: %v", blocks)
	}
}

func TestADifferenceIsNoticed(t *testing.T) {
	packages := []pkg{{name: "a", fate: &flaw{}}, {name: "b", needs: []string{"a"}}, {name: "c"}}
	right := func() map[string]result {
		return map[string]result{
			"a": {outcome: outcome{state: daemon.Failed}},
			"b": {outcome: outcome{daemon.Blocked, []string{"a"}}},
			"c": {outcome: outcome{state: daemon.Succeeded}},
		}
	}
	if errs := compare(packages, right()); len(errs) != 0 {
		t.Errorf("got %v", errs)
	}
	for name, spoil := range map[string]func(map[string]result){
		"another state":    func(r map[string]result) { r["c"] = result{outcome: outcome{state: daemon.Ready}} },
		"another blocker":  func(r map[string]result) { r["b"] = result{outcome: outcome{daemon.Blocked, []string{"c"}}} },
		"no blocker":       func(r map[string]result) { r["b"] = result{outcome: outcome{state: daemon.Blocked}} },
		"no build of this": func(r map[string]result) { delete(r, "a") },
	} {
		results := right()
		spoil(results)
		if errs := compare(packages, results); len(errs) != 1 {
			t.Errorf("%s: got %v, want one error", name, errs)
		}
	}
}
