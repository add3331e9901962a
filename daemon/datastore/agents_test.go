package datastore

import (
	"context"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestAgentsAreListedInTheOrderInWhichTheyCame(t *testing.T) {
	s := fresh(t)
	for _, name := range []string{"zeta", "alpha", "mu"} {
		agent(t, s, name)
	}
	if diff := cmp.Diff([]string{"zeta", "alpha", "mu"}, names(t, s)); diff != "" {
		t.Fatalf("agents (-want +got):\n%s", diff)
	}
}

func TestAnAgentWithAllThatBelongsToIt(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	drv := insert(t, s, "hello")
	submit(t, s, 1, drv, daemon.Build{})
	urgent := submit(t, s, 2, drv, daemon.Build{Priority: 5})
	submit(t, s, 3, drv, daemon.Build{})
	other := agent(t, s, "other")
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.InsertAgent(ctx, "1", "bedok", "in the cupboard"); err != nil {
			return err
		}
		tags := []daemon.Tag{{Key: "place", Value: "cupboard"}, {Key: "cores", Value: "4"}, {Key: "cores", Value: "4"}}
		if _, err := tx.UpdateAgent(ctx, "1", daemon.AgentChange{Tags: &tags}); err != nil {
			return err
		}
		if err := tx.SetAgentSystems(ctx, "1", []string{"x86_64-linux", "i686-linux"}); err != nil {
			return err
		}
		for _, n := range []int{1, 2} {
			if err := tx.Allocate(ctx, build(t, s, n).ID, "1"); err != nil {
				return err
			}
		}
		return tx.Allocate(ctx, build(t, s, 3).ID, other)
	})
	got, found, err := s.Agent(ctx, "1")
	if err != nil || !found {
		t.Fatalf("got %v, %v", found, err)
	}
	want := daemon.Agent{
		ID: "1", Name: "bedok", Description: "in the cupboard", Active: true, Mode: daemon.Working,
		Tags:    []daemon.Tag{{Key: "cores", Value: "4"}, {Key: "place", Value: "cupboard"}},
		Systems: []string{"i686-linux", "x86_64-linux"},
		Allocated: []daemon.Allocation{
			{UUID: uuid(2), Derivation: item("hello.drv"), Priority: 5},
			{UUID: uuid(1), Derivation: item("hello.drv")},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("agent (-want +got):\n%s", diff)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Release(ctx, urgent) })
	if got := must(s.Allocations(ctx, "1"))(t); len(got) != 1 || got[0].UUID != uuid(1) {
		t.Fatalf("after a release: got %v", got)
	}
}

func TestAnUnknownAgentIsNotFound(t *testing.T) {
	s := fresh(t)
	if a, found, err := s.Agent(context.Background(), "nobody"); found || err != nil || a.ID != "" {
		t.Fatalf("got %v, %v, %v, want nothing", a, found, err)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error {
		name := "new"
		if found, err := tx.UpdateAgent(ctx, "nobody", daemon.AgentChange{Name: &name}); found || err != nil {
			t.Errorf("got %v, %v, want nothing found", found, err)
		}
		return nil
	})
}

func TestUpdateAgentChangesWhatIsGiven(t *testing.T) {
	pointer := func(s string) *string { return &s }
	no := false
	noTags := []daemon.Tag{}
	paused := daemon.Paused
	before := daemon.Agent{ID: "1", Name: "bedok", Description: "old", Active: true, Mode: daemon.Working, Tags: []daemon.Tag{{Key: "a", Value: "b"}}}
	tests := []struct {
		name   string
		change daemon.AgentChange
		want   func(*daemon.Agent)
	}{
		{"nothing", daemon.AgentChange{}, func(*daemon.Agent) {}},
		{"the name", daemon.AgentChange{Name: pointer("tampines")}, func(a *daemon.Agent) { a.Name = "tampines" }},
		{"the description to nothing", daemon.AgentChange{Description: pointer("")}, func(a *daemon.Agent) { a.Description = "" }},
		{"its mode", daemon.AgentChange{Mode: &paused}, func(a *daemon.Agent) { a.Mode = paused }},
		{"whether it is active", daemon.AgentChange{Active: &no}, func(a *daemon.Agent) { a.Active = false }},
		{"the tags to none", daemon.AgentChange{Tags: &noTags}, func(a *daemon.Agent) { a.Tags = nil }},
		{"the tags to others", daemon.AgentChange{Tags: &[]daemon.Tag{{Key: "c", Value: "d"}}},
			func(a *daemon.Agent) { a.Tags = []daemon.Tag{{Key: "c", Value: "d"}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t)
			update(t, s, func(ctx context.Context, tx *Tx) error {
				if err := tx.InsertAgent(ctx, before.ID, before.Name, before.Description); err != nil {
					return err
				}
				_, err := tx.UpdateAgent(ctx, before.ID, daemon.AgentChange{Tags: &before.Tags})
				return err
			})
			update(t, s, func(ctx context.Context, tx *Tx) error {
				found, err := tx.UpdateAgent(ctx, before.ID, tt.change)
				if !found {
					t.Errorf("the agent was not found")
				}
				return err
			})
			want := before
			tt.want(&want)
			if diff := cmp.Diff([]daemon.Agent{want}, must(s.Agents(context.Background()))(t)); diff != "" {
				t.Fatalf("agent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSystemsAreReplaced(t *testing.T) {
	s := fresh(t)
	id := agent(t, s, "bedok")
	for _, want := range [][]string{{"i686-linux", "x86_64-linux"}, {"aarch64-linux"}, nil, {"x86_64-linux"}} {
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.SetAgentSystems(ctx, id, want) })
		if diff := cmp.Diff(want, must(s.AgentSystems(context.Background(), id))(t)); diff != "" {
			t.Fatalf("systems (-want +got):\n%s", diff)
		}
	}
}

func TestAnAgentMayHaveSeveralPasswords(t *testing.T) {
	s := fresh(t)
	id := agent(t, s, "bedok")
	want := []Password{{"first", noon}, {"second", noon.Add(-time.Hour)}}
	update(t, s, func(ctx context.Context, tx *Tx) error {
		for _, p := range want {
			if err := tx.InsertPassword(ctx, id, p); err != nil {
				return err
			}
		}
		return nil
	})
	if diff := cmp.Diff(want, must(s.Passwords(context.Background(), id))(t)); diff != "" {
		t.Fatalf("passwords (-want +got):\n%s", diff)
	}
	if got := must(s.Passwords(context.Background(), agent(t, s, "other")))(t); got != nil {
		t.Fatalf("another agent has %v, want none", got)
	}
}

func TestWhatRefersToNobodyIsRefused(t *testing.T) {
	s := fresh(t)
	id := submit(t, s, 1, insert(t, s, "hello"), daemon.Build{})
	ctx := context.Background()
	for name, do := range map[string]func(*Tx) error{
		"a password of nobody":     func(tx *Tx) error { return tx.InsertPassword(ctx, "nobody", Password{"hash", noon}) },
		"an allocation to nobody":  func(tx *Tx) error { return tx.Allocate(ctx, id, "nobody") },
		"an allocation of nothing": func(tx *Tx) error { return tx.Allocate(ctx, 77, agentIn(ctx, tx)) },
		"a build of no derivation": func(tx *Tx) error {
			_, err := tx.InsertBuild(ctx, 77, daemon.Build{UUID: "x", Created: noon})
			return err
		},
		"systems of nobody":      func(tx *Tx) error { return tx.SetAgentSystems(ctx, "nobody", []string{"x86_64-linux"}) },
		"an agent that is there": func(tx *Tx) error { return tx.InsertAgent(ctx, agentIn(ctx, tx), "", "") },
		"a build that is there": func(tx *Tx) error {
			_, err := tx.InsertBuild(ctx, 1, daemon.Build{UUID: uuid(1), Created: noon})
			return err
		},
		"a build held by two": func(tx *Tx) error { return twice(func() error { return tx.Allocate(ctx, id, agentIn(ctx, tx)) }) },
		"a result of what is ended": func(tx *Tx) error {
			a := agentIn(ctx, tx)
			return twice(func() error { return tx.Finish(ctx, BuildRow{ID: id}, a, daemon.Result{Ended: noon}) })
		},
	} {
		if err := s.Update(ctx, func(tx *Tx) error { return do(tx) }); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

// agentIn is an agent that exists in a transaction.
func agentIn(ctx context.Context, tx *Tx) string {
	_ = tx.InsertAgent(ctx, "agent", "", "") // or it is there already
	return "agent"
}

func twice(f func() error) error {
	if err := f(); err != nil {
		panic(err)
	}
	return f()
}
