package coordinator_test

import (
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// circle is a farm with a tool whose source can be fetched in two ways, by the
// plain derivation and by one that needs the tool. Tool and the latter have
// builds, 0 and 1, which wait for each other.
func circle(t *testing.T) (f *coordinatortest.Farm, agent string, plain storepath.Path) {
	t.Helper()
	f = coordinatortest.Open(t)
	agent, _ = f.Joined("bedok")
	source := func(inputs ...storepath.Path) storepath.Path {
		return f.Make("source", derivation.Derivation{Inputs: f.First(inputs...),
			Outputs: []derivation.Output{{Name: "out", HashAlgo: "sha256", Hash: strings.Repeat("0", 64)}}})
	}
	plain = source()
	tool := f.Derivation("tool", plain)
	f.Submitted(daemon.Submission{Derivation: tool, UUID: coordinatortest.UUID(0)})
	f.Submitted(daemon.Submission{Derivation: source(tool), UUID: coordinatortest.UUID(1)})
	return f, agent, plain
}

func states(f *coordinatortest.Farm, n int) (states []daemon.State) {
	for i := range n {
		states = append(states, f.State(coordinatortest.UUID(i)))
	}
	return states
}

func TestBuildsThatWaitForOneAnotherAreNotLeftWaiting(t *testing.T) {
	f, agent, plain := circle(t)
	f.Must(f.BreakCircles(t.Context()))
	f.Clock.Advance(50 * time.Second)
	f.Must(f.BreakCircles(t.Context()))
	if diff := cmp.Diff([]daemon.State{daemon.Waiting, daemon.Waiting}, states(f, 2)); diff != "" {
		t.Fatalf("at first (-want +got)\n%s", diff)
	}
	f.Clock.Advance(20 * time.Second)
	f.Must(f.BreakCircles(t.Context()))
	if diff := cmp.Diff([]daemon.State{daemon.Blocked, daemon.Failed}, states(f, 2)); diff != "" {
		t.Fatalf("then (-want +got)\n%s", diff)
	}
	b, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(1))
	f.Must(err)
	if !strings.Contains(b.FailureReason, "2 builds that wait for one another") || b.Agent != "" {
		t.Errorf("got the reason %q by %q, want that it says so and is nobody's", b.FailureReason, b.Agent)
	}
	f.Restart()
	counted(t, f, "after a restart")
	f.Submitted(daemon.Submission{Derivation: plain, UUID: coordinatortest.UUID(2)})
	for _, n := range []int{2, 0} { // the tool is free when its source is there
		if diff := cmp.Diff([]string{coordinatortest.UUID(n)}, f.Given(agent, 1)); diff != "" {
			t.Fatalf("handed out (-want +got)\n%s", diff)
		}
		f.Ended(agent, coordinatortest.UUID(n), true)
	}
}

func TestACircleWithAWayOutIsLeftAlone(t *testing.T) {
	f, agent, plain := circle(t)
	f.Must(f.BreakCircles(t.Context()))
	f.Submitted(daemon.Submission{Derivation: plain, UUID: coordinatortest.UUID(2)})
	f.Clock.Advance(time.Hour)
	f.Must(f.BreakCircles(t.Context()))
	for _, n := range []int{2, 0, 1} {
		if diff := cmp.Diff([]string{coordinatortest.UUID(n)}, f.Given(agent, 1)); diff != "" {
			t.Fatalf("handed out (-want +got)\n%s", diff)
		}
		f.Clock.Advance(time.Hour)
		f.Must(f.BreakCircles(t.Context()))
		f.Ended(agent, coordinatortest.UUID(n), true)
	}
}
