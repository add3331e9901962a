package datastore

import (
	"context"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// collected adds a collection and returns its row.
func collected(t *testing.T, s *Store, name string) int64 {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *Tx) error {
		return tx.PutCollection(ctx, daemon.Collection{Name: name, Source: daemon.FromFile, File: "/drvs"}, false)
	})
	return must(s.Collections(context.Background(), name))(t)[0].ID
}

// evaluated records an evaluation, with a derivation or, where that is empty, an
// error for each package.
func evaluated(t *testing.T, s *Store, collection int64, number int, packages map[string]string) (changed int) {
	t.Helper()
	var list []daemon.Evaluated
	for name, drv := range packages {
		p := daemon.Evaluated{Package: name, System: "x86_64-linux", Error: "it is broken"}
		if drv != "" {
			p.Derivation, p.Error = item(drv+".drv"), ""
		}
		list = append(list, p)
	}
	update(t, s, func(ctx context.Context, tx *Tx) (err error) {
		changed, err = tx.InsertEvaluation(ctx, collection, daemon.Evaluation{Number: number, Revision: "r", Time: noon}, list)
		return err
	})
	return changed
}

func TestOnlyWhatChangesIsStored(t *testing.T) {
	s := fresh(t)
	id := collected(t, s, "team")
	a, b := insert(t, s, "a-1"), insert(t, s, "a-2")
	insert(t, s, "b-1")
	for i, step := range []struct {
		packages map[string]string
		changed  int
	}{
		{map[string]string{"a": "a-1", "b": "b-1"}, 2},
		{map[string]string{"a": "a-1", "b": "b-1"}, 0},
		{map[string]string{"a": "a-2", "b": ""}, 2},
		{map[string]string{"a": "a-2"}, 1},
		{map[string]string{"a": "a-1"}, 1},
	} {
		if n := evaluated(t, s, id, i+1, step.packages); n != step.changed {
			t.Errorf("evaluation %d: got %d changes, want %d", i+1, n, step.changed)
		}
	}
	h := must(s.History(context.Background(), id, nil))(t)
	want := []daemon.PackageHistory{
		{Package: "a", System: "x86_64-linux", Spans: []daemon.Span{{First: 1, Last: 2, Derivation: a}, {First: 3, Last: 4, Derivation: b}, {First: 5, Derivation: a}}},
		{Package: "b", System: "x86_64-linux", Spans: []daemon.Span{{First: 1, Last: 2, Derivation: b + 1}, {First: 3, Last: 3, Error: "it is broken"}}},
	}
	if diff := cmp.Diff(want, h.Packages, cmpopts.IgnoreFields(daemon.PackageHistory{}, "ID")); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	if len(h.Evaluations) != 5 {
		t.Errorf("got %d evaluations, want 5", len(h.Evaluations))
	}
}

func TestWhatBecameOfTheDerivations(t *testing.T) {
	s := fresh(t)
	id := collected(t, s, "team")
	bed := agent(t, s, "bedok")
	bad, above := insert(t, s, "bad"), insert(t, s, "above", "bad")
	good, waiting := insert(t, s, "good"), insert(t, s, "waiting", "above")
	evaluated(t, s, id, 1, map[string]string{"bad": "bad", "above": "above", "good": "good", "waiting": "waiting"})
	for n, drv := range []int64{bad, above, good} {
		submit(t, s, n, drv, daemon.Build{})
	}
	finish(t, s, 0, bed, false)
	finish(t, s, 2, bed, true)
	ctx := context.Background()
	h := must(s.History(ctx, id, nil))(t)
	if d := h.Derivations[good]; !d.Built || d.Build != uuid(2) {
		t.Errorf("got %+v of what was built", d)
	}
	output := h.Derivations[bad].Makes[0]
	want := map[int64]daemon.FailureFact{output: {Derivation: bad, Path: item("bad.drv"), Build: uuid(0), Time: noon}}
	if diff := cmp.Diff(want, h.Failures); diff != "" {
		t.Errorf("failures (-want +got)\n%s", diff)
	}
	open := []daemon.OpenDerivation{{ID: above, Makes: h.Derivations[above].Makes, Needs: []int64{output}}}
	if diff := cmp.Diff(open, h.Open); diff != "" {
		t.Errorf("open derivations (-want +got)\n%s", diff)
	}
	if h.Derivations[waiting].Build != "" {
		t.Errorf("got a build of what has none: %+v", h.Derivations[waiting])
	}

	// While it is built again it has not failed, and nothing is blocked.
	submit(t, s, 3, bad, daemon.Build{})
	if h := must(s.History(ctx, id, nil))(t); len(h.Failures) != 0 {
		t.Errorf("got the failures %v of what is built again", h.Failures)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Cancel(ctx, build(t, s, 3).ID, noon) })
	h = must(s.History(ctx, id, nil))(t)
	if f := h.Failures[output]; f.Build != uuid(0) {
		t.Errorf("got the failure %+v after the second build was canceled", f)
	}
	// What was read before makes no difference.
	if diff := cmp.Diff(h, must(s.History(ctx, id, &h))(t)); diff != "" {
		t.Errorf("what was read again (-want +got)\n%s", diff)
	}
	for _, change := range []func(){
		func() { submit(t, s, 4, waiting, daemon.Build{}) },
		func() { finish(t, s, 4, bed, true) },
		func() { evaluated(t, s, id, 2, map[string]string{"bad": "good"}) },
	} {
		change()
		anew, again := must(s.History(ctx, id, nil))(t), must(s.History(ctx, id, &h))(t)
		if diff := cmp.Diff(anew, again); diff != "" {
			t.Errorf("what was read again after a change (-want +got)\n%s", diff)
		}
		h = again
	}
	// What became of a derivation is known when its builds are forgotten.
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Forget(ctx, build(t, s, 0).ID) })
	h = must(s.History(ctx, id, nil))(t)
	if f := h.Failures[output]; f.Derivation != bad || f.Build != "" {
		t.Errorf("got the failure %+v of a forgotten build", f)
	}
}

func TestHowAnUpdateWent(t *testing.T) {
	s := fresh(t)
	id := collected(t, s, "team")
	one := func() daemon.CollectionStatus { return must(s.Collections(context.Background(), "team"))(t)[0] }
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.BeginUpdate(ctx, id, noon) })
	if c := one(); !c.Updating || c.Attempted != noon || !c.Updated.IsZero() {
		t.Errorf("after the beginning: got %+v", c)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.EndUpdate(ctx, id, "") })
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.BeginUpdate(ctx, id, noon.Add(time.Hour)) })
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.EndUpdate(ctx, id, "no answer") })
	if c := one(); c.Updating || c.Updated != noon || c.Trouble != "no answer" || c.Attempted != noon.Add(time.Hour) {
		t.Errorf("after one that failed: got %+v", c)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error {
		found, err := tx.DeleteCollection(ctx, "team")
		if !found {
			t.Error("the collection is not there")
		}
		return err
	})
	if left := must(s.Collections(context.Background(), ""))(t); len(left) != 0 {
		t.Errorf("got %+v, want no collections", left)
	}
}

func TestWhatIsPointless(t *testing.T) {
	s := fresh(t)
	one, two := collected(t, s, "one"), collected(t, s, "two")
	tag := daemon.Tag{Key: "collection", Value: "one"}
	for n, name := range []string{"old", "shared", "new"} {
		submit(t, s, n, insert(t, s, name), daemon.Build{Tags: []daemon.Tag{tag}})
	}
	submit(t, s, 3, insert(t, s, "other"), daemon.Build{})
	evaluated(t, s, one, 1, map[string]string{"a": "old", "b": "shared"})
	evaluated(t, s, two, 1, map[string]string{"b": "shared"})
	evaluated(t, s, one, 2, map[string]string{"a": "new"})
	got := must(s.PointlessBuilds(context.Background(), tag))(t)
	if diff := cmp.Diff([]string{uuid(0)}, got); diff != "" {
		t.Errorf("pointless builds (-want +got)\n%s", diff)
	}
}
