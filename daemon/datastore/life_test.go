package datastore

import (
	"context"
	"errors"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// life is a database with one build, of a derivation with an input, and two
// agents.
func life(t *testing.T) *Store {
	s := fresh(t)
	insert(t, s, "glibc")
	submit(t, s, 1, insert(t, s, "hello", "glibc"), daemon.Build{Priority: 3, Tags: []daemon.Tag{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}}})
	agent(t, s, "bedok")
	agent(t, s, "tampines")
	return s
}

func TestTheLifeOfABuildThatSucceeds(t *testing.T) {
	s := life(t)
	want := daemon.Build{
		UUID: uuid(1), Derivation: item("hello.drv"), System: "x86_64-linux", State: daemon.Waiting, Priority: 3, Created: noon,
		Tags: []daemon.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}},
	}
	check := func(when string) {
		t.Helper()
		if diff := cmp.Diff(want, build(t, s, 1).Build); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	}
	id := build(t, s, 1).ID
	check("submitted")

	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Allocate(ctx, id, "agent-bedok") })
	want.State, want.Agent = daemon.Allocated, "agent-bedok"
	check("allocated")

	update(t, s, func(ctx context.Context, tx *Tx) error {
		return tx.Start(ctx, id, daemon.Start{Agent: "agent-bedok", Time: noon.Add(time.Minute)})
	})
	want.State = daemon.Started
	check("started")

	result := daemon.Result{Success: true, Ended: noon.Add(time.Hour), Outputs: []daemon.Output{{
		Name: "out", Hash: "sha256:0sg9f58l1jj88w6pdrfdpj5x9b1zrwszk84j81zvby36q9whhhqa", Size: 226_560,
		References: []storepath.Path{item("glibc"), item("hello")},
	}}}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Finish(ctx, build(t, s, 1), "agent-bedok", result) })
	want.State, want.Ended = daemon.Succeeded, noon.Add(time.Hour)
	check("succeeded")

	detail := must(s.Detail(context.Background(), build(t, s, 1)))(t)
	result.Outputs[0].Path = item("hello")
	wantDetail := daemon.BuildDetail{Build: want, Outputs: result.Outputs,
		Starts: []daemon.Start{{Agent: "agent-bedok", Time: noon.Add(time.Minute)}}}
	if diff := cmp.Diff(wantDetail, detail); diff != "" {
		t.Fatalf("detail (-want +got):\n%s", diff)
	}
	if got := must(s.Allocations(context.Background(), "agent-bedok"))(t); got != nil {
		t.Fatalf("the agent holds %v still", got)
	}
}

func TestTheLifeOfABuildThatFailsAtLast(t *testing.T) {
	s := life(t)
	id := build(t, s, 1).ID
	for i, name := range []string{"agent-bedok", "agent-tampines"} {
		update(t, s, func(ctx context.Context, tx *Tx) error {
			if err := tx.Allocate(ctx, id, name); err != nil {
				return err
			}
			failure := daemon.SetupFailure{Agent: name, Reason: daemon.MissingInputs, Time: noon}
			if i == 1 {
				failure.MissingInputs = []storepath.Path{item("z"), item("glibc"), item("z")}
			}
			return tx.FailSetup(ctx, id, failure, noon.Add(time.Duration(i+1)*time.Minute))
		})
		if n, others, err := s.SetupFailureCount(context.Background(), id); n != i+1 || others != 0 || err != nil {
			t.Fatalf("got %d and %d setup failures, %v, want %d for missing inputs", n, others, err, i+1)
		}
		if b := build(t, s, 1); b.State != daemon.Deferred || b.Agent != "" || !b.NotBefore.Equal(noon.Add(time.Duration(i+1)*time.Minute)) {
			t.Fatalf("after a setup failure: got %+v", b)
		}
	}
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.Allocate(ctx, id, "agent-bedok"); err != nil {
			return err
		}
		return tx.Finish(ctx, build(t, s, 1), "agent-bedok", daemon.Result{Ended: noon, Reason: "it does not compile"})
	})
	want := daemon.BuildDetail{
		Build:   daemon.Build{State: daemon.Failed, Agent: "agent-bedok"},
		Outputs: []daemon.Output{{Name: "out", Path: item("hello")}},
		SetupFailures: []daemon.SetupFailure{
			{Agent: "agent-bedok", Reason: daemon.MissingInputs, Time: noon},
			{Agent: "agent-tampines", Reason: daemon.MissingInputs, Time: noon, MissingInputs: []storepath.Path{item("glibc"), item("z")}},
		},
		FailureReason: "it does not compile",
	}
	got := must(s.Detail(context.Background(), build(t, s, 1)))(t)
	others := cmpopts.IgnoreFields(daemon.Build{}, "UUID", "Derivation", "System", "Priority", "Created", "Ended", "NotBefore", "Tags")
	if diff := cmp.Diff(want, got, others); diff != "" {
		t.Fatalf("detail (-want +got):\n%s", diff)
	}
}

func TestAReleasedBuildWaitsAgain(t *testing.T) {
	s := life(t)
	id := build(t, s, 1).ID
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.Allocate(ctx, id, "agent-bedok"); err != nil {
			return err
		}
		return tx.Start(ctx, id, daemon.Start{Agent: "agent-bedok", Time: noon})
	})
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Release(ctx, id) })
	if b := build(t, s, 1); b.State != daemon.Waiting || b.Agent != "" {
		t.Fatalf("got %+v, want a build that waits", b)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Allocate(ctx, id, "agent-tampines") })
	if b := build(t, s, 1); b.State != daemon.Allocated || b.Agent != "agent-tampines" {
		t.Fatalf("got %+v, want a build that another agent holds and has not started", b)
	}
}

func TestFinishRefusesAnOutputThatTheDerivationHasNot(t *testing.T) {
	s := life(t)
	ctx := context.Background()
	err := s.Update(ctx, func(tx *Tx) error {
		return tx.Finish(ctx, build(t, s, 1), "agent-bedok", daemon.Result{Success: true, Ended: noon, Outputs: []daemon.Output{{Name: "doc"}}})
	})
	if daemon.CodeOf(err) != daemon.Invalid {
		t.Fatalf("got %v, want an invalid result", err)
	}
	if b := build(t, s, 1); b.State != daemon.Waiting {
		t.Fatalf("got %+v, want the build untouched", b)
	}
}

// In a batch the scheduler learns of an end only after the commit, and may give
// the build away meanwhile.
func TestWhatEndedInTheSameTransactionIsNotHandedOut(t *testing.T) {
	for name, end := range map[string]func(context.Context, *Tx, BuildRow) error{
		"canceled": func(ctx context.Context, tx *Tx, b BuildRow) error { return tx.Cancel(ctx, b.ID, noon) },
		"finished": func(ctx context.Context, tx *Tx, b BuildRow) error {
			return tx.Finish(ctx, b, "agent-bedok", daemon.Result{Ended: noon})
		},
	} {
		s := life(t)
		update(t, s, func(ctx context.Context, tx *Tx) error {
			b, _, err := tx.Build(ctx, uuid(1))
			if err := errors.Join(err, end(ctx, tx, b)); err != nil {
				return err
			}
			if err := tx.Allocate(ctx, b.ID, "agent-tampines"); !errors.Is(err, ErrEnded) {
				t.Errorf("%s: got %v, want %v", name, err, ErrEnded)
			}
			return nil
		})
		if held := must(s.Allocations(context.Background(), "agent-tampines"))(t); len(held) > 0 {
			t.Errorf("%s: got %v, want nothing held", name, held)
		}
	}
}
