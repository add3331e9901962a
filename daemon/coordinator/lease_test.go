package coordinator_test

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

const lease = 10 * time.Minute

// leased is a farm whose agents lose their builds; a build that did so twice
// fails.
func leased(t *testing.T) *coordinatortest.Farm {
	return coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.Lease, c.MaxLosses = lease, 2 })
}

func TestASilentAgentLosesItsBuilds(t *testing.T) {
	f := leased(t)
	silent, _ := f.Joined("silent")
	begun, queued := f.Added(f.Derivation("begun")), f.Added(f.Derivation("queued"))
	f.Given(silent, 2)
	f.Must(f.ReportStart(t.Context(), silent, begun))

	f.Clock.Advance(lease - time.Second)
	f.Must(f.EndLeases(t.Context()))
	if f.State(begun) != daemon.Started || f.State(queued) != daemon.Allocated {
		t.Fatalf("a second early: got %s and %s", f.State(begun), f.State(queued))
	}
	f.Clock.Advance(2 * time.Second)
	f.Must(f.EndLeases(t.Context()))
	// What it had begun may be what ended it, and waits a while.
	if f.State(begun) != daemon.Deferred || f.State(queued) != daemon.Ready {
		t.Fatalf("got %s and %s, want deferred and ready", f.State(begun), f.State(queued))
	}
	f.Restart()
	if f.State(begun) != daemon.Deferred || f.State(queued) != daemon.Ready {
		t.Fatalf("after a restart: got %s and %s", f.State(begun), f.State(queued))
	}
}

func TestAnAgentThatAsksIsNotSilent(t *testing.T) {
	f := leased(t)
	agent, password := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	for range 5 {
		f.Clock.Advance(lease / 2)
		f.Must(f.Authenticate(t.Context(), agent, password))
		f.Must(f.EndLeases(t.Context()))
	}
	if got := f.State(build); got != daemon.Allocated {
		t.Fatalf("got %s, want the build to stay", got)
	}
	f.Clock.Advance(2 * lease)
	f.Restart() // when it could not ask
	f.Must(f.EndLeases(t.Context()))
	if got := f.State(build); got != daemon.Allocated {
		t.Fatalf("after a restart: got %s, want the build to stay", got)
	}
}

func TestALateResultCountsIfThereIsNoOther(t *testing.T) {
	f := leased(t)
	late, _ := f.Joined("late")
	first := f.Added(f.Derivation("first"))
	f.Given(late, 1)
	f.Clock.Advance(2 * lease)
	f.Must(f.EndLeases(t.Context()))
	other, _ := f.Joined("other")
	f.Given(other, 1)
	f.Ended(late, first, true)
	if got := f.State(first); got != daemon.Succeeded {
		t.Fatalf("got %s, want the late result", got)
	}
	err := f.ReportResult(t.Context(), other, first, daemon.Result{})
	if code := daemon.CodeOf(err); code != daemon.Denied && code != daemon.Processed {
		t.Fatalf("the other agent's result: got %v, want a refusal", err)
	}

	second := f.Added(f.Derivation("second"))
	f.Given(late, 1)
	f.Clock.Advance(2 * lease)
	f.Must(f.EndLeases(t.Context()))
	f.Given(other, 1)
	f.Ended(other, second, false)
	if err := f.ReportResult(t.Context(), late, second, daemon.Result{Success: true}); daemon.CodeOf(err) != daemon.Processed {
		t.Fatalf("a late result after another: got %v, want that it is processed", err)
	}
	stranger, _ := f.Joined("stranger")
	third := f.Added(f.Derivation("third"))
	if err := f.ReportResult(t.Context(), stranger, third, daemon.Result{Success: true}); daemon.CodeOf(err) != daemon.Denied {
		t.Fatalf("a result of one who never had it: got %v, want it denied", err)
	}
}

func TestABuildThatKillsItsAgentsFails(t *testing.T) {
	f := leased(t)
	build := f.Added(f.Derivation("killer"))
	for i := range 2 {
		agent, _ := f.Joined("victim")
		if got := f.Given(agent, 1); len(got) != 1 {
			t.Fatalf("victim %d: got %v, want the build", i, got)
		}
		f.Must(f.ReportStart(t.Context(), agent, build))
		f.Clock.Advance(2 * lease)
		f.Must(f.EndLeases(t.Context()))
		f.Clock.Advance(time.Hour)
		f.Joined("clock") // makes the coordinator look at the clock
	}
	b, err := f.Coordinator.Build(t.Context(), build)
	f.Must(err)
	if b.State != daemon.Failed || b.FailureReason == "" {
		t.Fatalf("got %s because of %q, want it given up", b.State, b.FailureReason)
	}
}
