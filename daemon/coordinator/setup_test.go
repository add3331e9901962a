package coordinator_test

import (
	"fmt"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

func TestABuildWaitsLongerAfterEachSetupFailure(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Output(f.Derivation("input"), "out")
	uuid := f.Added(f.Derivation("hello"))
	begin := f.Clock.Now()
	var want []daemon.SetupFailure
	for i, seconds := range []int{30, 60, 120, 240, 480, 960, 1920, 3600, 3600} {
		if got := f.Given(agent, 1); len(got) != 1 {
			t.Fatalf("try %d: got %v, want the build", i, got)
		}
		failure := daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{input}}
		f.Must(f.ReportSetupFailure(t.Context(), agent, uuid, failure))
		failure.Agent, failure.Time = agent, f.Clock.Now()
		want = append(want, failure)

		pause := time.Duration(seconds) * time.Second
		b, err := f.Coordinator.Build(t.Context(), uuid)
		f.Must(err)
		if b.State != daemon.Deferred || b.Agent != "" || !b.NotBefore.Equal(f.Clock.Now().Add(pause)) {
			t.Fatalf("after failure %d: got %s until %v with agent %q, want deferred for %v with none",
				i, b.State, b.NotBefore, b.Agent, pause)
		}
		f.Clock.Advance(pause - time.Second)
		f.Joined(fmt.Sprint("agent", i)) // makes the coordinator look at the clock
		if got := f.Given(agent, 1); len(got) != 0 {
			t.Fatalf("a second early: got %v, want nothing", got)
		}
		f.Clock.Advance(time.Second)
		if i%2 == 0 {
			f.Restart() // the pause outlives the coordinator
		}
		f.Joined(fmt.Sprint("agent", i))
	}
	f.Given(agent, 1)
	f.Ended(agent, uuid, true)
	b, err := f.Coordinator.Build(t.Context(), uuid)
	f.Must(err)
	if diff := cmp.Diff(want, b.SetupFailures); diff != "" {
		t.Errorf("setup failures (-want +got)\n%s", diff)
	}
	if took := f.Clock.Now().Sub(begin); took != 11010*time.Second {
		t.Errorf("all tries took %v, want 11010 s", took)
	}
}

func TestASetupFailureAfterTheStartLeavesNoStartedBuild(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	other, _ := f.Joined("other")
	uuid := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	f.Must(f.ReportStart(t.Context(), agent, uuid))
	f.Must(f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: "x"}))
	f.Clock.Advance(coordinatortest.SetupRetry)
	f.Restart()
	f.Given(other, 1)
	if state := f.State(uuid); state != daemon.Allocated {
		t.Fatalf("with another agent: got %s, want allocated", state)
	}
	err := f.ReportResult(t.Context(), agent, uuid, daemon.Result{Success: true})
	if daemon.CodeOf(err) != daemon.Denied {
		t.Errorf("the first agent's result: got the error %v, want one that is %s", err, daemon.Denied)
	}
}

func TestAReleasedBuildIsReadyAtOnce(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	uuid := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello")})
	for range 3 {
		if got := f.Given(agent, 1); len(got) != 1 {
			t.Fatalf("got %v, want the build", got)
		}
		f.Must(f.ReleaseBuild(t.Context(), agent, uuid))
		if state := f.State(uuid); state != daemon.Ready {
			t.Fatalf("got %s, want ready", state)
		}
	}
}

// The agent may have lost the answer. Nothing happens twice.
func TestAReportThatIsRepeatedChangesNothing(t *testing.T) {
	for name, report := range map[string]func(f *coordinatortest.Farm, agent, uuid string) error{
		"setup failure": func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: daemon.CouldNotFetch})
		},
		"release": func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReleaseBuild(t.Context(), agent, uuid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.MaxSetupFailures = 2 })
			agent, _ := f.Joined("bedok")
			other, _ := f.Joined("other")
			uuid := f.Added(f.Derivation("hello"))
			again := func(when string) {
				t.Helper()
				before := f.Dump()
				f.Must(report(f, agent, uuid))
				if diff := cmp.Diff(before, f.Dump()); diff != "" {
					t.Errorf("%s: the database changed (-before +after)\n%s", when, diff)
				}
			}
			f.Given(agent, 1)
			f.Must(report(f, agent, uuid))
			again("at once")
			f.Restart()
			again("after a restart")
			f.Clock.Advance(coordinatortest.SetupRetry)
			f.Given(other, 1)
			again("when another agent has the build")
			if err := report(f, "stranger", uuid); daemon.CodeOf(err) != daemon.Denied {
				t.Errorf("of an agent that never had it: got %v, want %s", err, daemon.Denied)
			}
			f.Must(report(f, other, uuid))
			again("when another agent has reported")
			f.Clock.Advance(2 * coordinatortest.SetupRetry)
			f.Given(agent, 1)
			if f.State(uuid) == daemon.Allocated {
				f.Must(report(f, agent, uuid)) // this one counts
				again("the second time")
			}
		})
	}
}
