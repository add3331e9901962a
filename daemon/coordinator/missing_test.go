package coordinator_test

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

func TestMissingInputsAreSubmittedAndWaitedFor(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.SubmitMissing = true })
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	build := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello", input), Priority: 7})
	missing := func() {
		t.Helper()
		if got := f.Given(agent, 1); len(got) != 1 || got[0] != build {
			t.Fatalf("got %v, want the build", got)
		}
		f.Must(f.ReportSetupFailure(t.Context(), agent, build, daemon.SetupFailure{
			Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{f.Output(input, "out")}}))
	}
	missing()
	if got := f.State(build); got != daemon.Waiting {
		t.Fatalf("got %s, want it to wait for its input", got)
	}
	f.Restart()
	held := f.Given(agent, 5)
	if len(held) != 1 || f.State(build) != daemon.Waiting {
		t.Fatalf("got %v and %s, want the input alone", held, f.State(build))
	}
	b, err := f.Coordinator.Build(t.Context(), held[0])
	f.Must(err)
	if b.Derivation != input || b.Priority != 7 {
		t.Fatalf("got %+v, want a build of the input with the same priority", b)
	}
	f.Ended(agent, held[0], true)

	// It was built, and an agent cannot get it: it is built once more.
	missing()
	f.Restart()
	if got := f.State(build); got != daemon.Waiting {
		t.Fatalf("when it was lost: got %s, want it to wait", got)
	}
	again := f.Given(agent, 5)
	if len(again) != 1 || again[0] == held[0] {
		t.Fatalf("got %v, want a new build of the input", again)
	}
	f.Ended(agent, again[0], false)
	if got := f.State(build); got != daemon.Blocked {
		t.Fatalf("when that failed: got %s, want it blocked", got)
	}
}

// An agent that never gets what another one built must not have the farm build
// that without a pause.
func TestAnInputThatStaysMissingIsBuiltMoreAndMoreSeldom(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.SubmitMissing = true })
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	build := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello", input)})
	// How long after each miss the input is built once more.
	pauses := []time.Duration{0, 0, coordinatortest.SetupRetry, 2 * coordinatortest.SetupRetry, 4 * coordinatortest.SetupRetry}
	for n, pause := range pauses {
		if got := f.Given(agent, 5); len(got) != 1 || got[0] != build {
			t.Fatalf("%d: got %v, want the build", n, got)
		}
		f.Must(f.ReportSetupFailure(t.Context(), agent, build, daemon.SetupFailure{
			Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{f.Output(input, "out")}}))
		if pause > 0 {
			f.Clock.Advance(pause - time.Second)
			f.Joined("one") // makes the coordinator look at the clock
			if got := f.Given(agent, 5); len(got) != 0 {
				t.Fatalf("%d: got %v before the pause of %v was over", n, got, pause)
			}
			f.Clock.Advance(time.Second)
			f.Joined("another")
		}
		again := f.Given(agent, 5)
		if len(again) != 1 || again[0] == build {
			t.Fatalf("%d: got %v, want a new build of the input", n, again)
		}
		f.Ended(agent, again[0], true)
	}
}

func TestMissingInputsThatNobodyMakesAreTriedAgainLater(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.SubmitMissing = true })
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	f.Must(f.ReportSetupFailure(t.Context(), agent, build, daemon.SetupFailure{
		Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{"/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-source"}}))
	if got := f.State(build); got != daemon.Deferred {
		t.Fatalf("got %s, want it deferred", got)
	}
}

func TestWhatCannotBeSetUpAgainAndAgainFails(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.MaxSetupFailures = 3 })
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	for range 3 {
		f.Given(agent, 1)
		f.Must(f.ReportSetupFailure(t.Context(), agent, build, daemon.SetupFailure{Reason: daemon.CouldNotDelete}))
		f.Clock.Advance(coordinatortest.MaxSetupRetry)
		f.Joined("clock") // makes the coordinator look at the clock
	}
	b, err := f.Coordinator.Build(t.Context(), build)
	f.Must(err)
	if b.State != daemon.Failed || b.FailureReason == "" {
		t.Fatalf("got %s because of %q, want it given up", b.State, b.FailureReason)
	}
}
