package coordinator_test

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/go-cmp/cmp"
)

func TestCancelingABuild(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	below := f.Added(input)
	above := f.Added(f.Derivation("above", input))
	cancel := func(uuid string, unlessRequired bool, want string) {
		t.Helper()
		got, err := f.CancelBuild(t.Context(), uuid, unlessRequired)
		f.Must(err)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	cancel(below, true, daemon.BuildRequiredByAnother)
	cancel(above, true, daemon.BuildWasCanceled)
	cancel(above, true, daemon.BuildWasCanceledAlready)
	cancel(below, true, daemon.BuildWasCanceled)
	f.Restart()
	if f.State(below) != daemon.Canceled || f.State(above) != daemon.Canceled || len(f.Given(agent, 5)) != 0 {
		t.Fatalf("got %s and %s, want both canceled and nothing to do", f.State(below), f.State(above))
	}
	done := f.Added(f.Derivation("done"))
	f.Given(agent, 1)
	f.Ended(agent, done, true)
	cancel(done, false, daemon.BuildAlreadyProcessed)
	if _, err := f.CancelBuild(t.Context(), coordinatortest.UUID(9), false); daemon.CodeOf(err) != daemon.NotFound {
		t.Errorf("an unknown build: got %v", err)
	}
}

func TestAnAgentHearsThatItsBuildIsGone(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	answers := make(chan []daemon.Allocation, 1)
	go func() {
		held, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System},
			Target: 1, Wait: time.Minute, Held: []string{build}})
		if err != nil {
			t.Error(err)
		}
		answers <- held
	}()
	_, err := f.CancelBuild(t.Context(), build, false)
	f.Must(err)
	held := <-answers
	if diff := cmp.Diff([]string{build}, coordinator.Mistaken([]string{build}, held)); diff != "" {
		t.Fatalf("what is gone (-want +got)\n%s", diff)
	}
}

func TestCancelingMany(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	old := daemon.Tag{Key: "revision", Value: "old"}
	input := f.Derivation("input")
	held := f.Submitted(daemon.Submission{Derivation: f.Derivation("held"), Tags: []daemon.Tag{old}, Priority: 9})
	f.Given(agent, 1)
	superseded := []string{
		f.Submitted(daemon.Submission{Derivation: input, Tags: []daemon.Tag{old}}),
		f.Submitted(daemon.Submission{Derivation: f.Derivation("above", input), Tags: []daemon.Tag{old}}),
	}
	wanted := f.Added(f.Derivation("wanted"))
	n, err := f.CancelBuilds(t.Context(), coordinator.CancelFilter{UnstartedOnly: true, UnlessRequired: true,
		Filter: coordinator.Filter{Tags: []datastore.TagFilter{{Key: old.Key, Value: &old.Value}}}})
	f.Must(err)
	if n != 2 {
		t.Errorf("got %d canceled, want 2", n)
	}
	for uuid, want := range map[string]daemon.State{held: daemon.Allocated, superseded[0]: daemon.Canceled,
		superseded[1]: daemon.Canceled, wanted: daemon.Ready} {
		if got := f.State(uuid); got != want {
			t.Errorf("%s: got %s, want %s", uuid, got, want)
		}
	}
}

func TestRetrying(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	middle := f.Derivation("middle", input)
	below := f.Submitted(daemon.Submission{Derivation: input, Priority: 3, Tags: []daemon.Tag{{Key: "set", Value: "maths"}}})
	between := f.Added(middle)
	above := f.Added(f.Derivation("above", middle))
	f.Given(agent, 1)
	f.Ended(agent, below, false)
	_, err := f.CancelBuild(t.Context(), between, false)
	f.Must(err)

	again, err := f.RetryBuild(t.Context(), below, true)
	f.Must(err)
	if len(again) != 2 {
		t.Fatalf("got %v, want the failed build and the canceled one above it", again)
	}
	b, err := f.Coordinator.Build(t.Context(), again[0])
	f.Must(err)
	if b.Derivation != input || b.Priority != 3 || len(b.Tags) != 1 {
		t.Fatalf("got %+v, want it like the first one", b)
	}
	for range 3 {
		for _, uuid := range f.Given(agent, 1) {
			f.Ended(agent, uuid, true)
		}
	}
	if got := f.State(above); got != daemon.Succeeded {
		t.Fatalf("got %s, want what was blocked to be built", got)
	}
	for _, uuid := range []string{again[0], above} {
		if _, err := f.RetryBuild(t.Context(), uuid, false); daemon.CodeOf(err) != daemon.Conflict {
			t.Errorf("a success: got %v, want a conflict", err)
		}
	}
}

func TestRetryingWhatIsBlockedRetriesWhatBlocksIt(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	below := f.Added(input)
	above := f.Added(f.Derivation("above", input))
	if _, err := f.RetryBuild(t.Context(), above, false); daemon.CodeOf(err) != daemon.Conflict {
		t.Fatalf("a build that waits: got %v, want a conflict", err)
	}
	f.Given(agent, 1)
	f.Ended(agent, below, false)
	again, err := f.RetryBuild(t.Context(), above, false)
	f.Must(err)
	if len(again) != 1 || f.State(again[0]) != daemon.Ready || f.State(above) != daemon.Waiting {
		t.Fatalf("got %v, and %s above, want one build that it waits for", again, f.State(above))
	}
	more, err := f.RetryBuild(t.Context(), below, false)
	f.Must(err)
	if len(more) != 0 {
		t.Fatalf("once more: got %v, want nothing, it is under way", more)
	}
}

func TestAPolicyRetriesFailures(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.RetryFailures = 2 })
	agent, _ := f.Joined("bedok")
	f.Added(f.Derivation("flaky"))
	tries := 0
	for held := f.Given(agent, 1); len(held) > 0; held = f.Given(agent, 1) {
		f.Ended(agent, held[0], false)
		tries++
	}
	if tries != 3 {
		t.Fatalf("got %d tries, want the first and two more", tries)
	}
}
