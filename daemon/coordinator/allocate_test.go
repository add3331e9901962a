package coordinator_test

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"

	"github.com/google/go-cmp/cmp"
)

func TestBuildsAreHandedOutInputsFirstThenByPriorityThenByAge(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	above := f.Submitted(daemon.Submission{Derivation: f.Derivation("above", input), Priority: 100})
	old := f.Added(f.Derivation("old"))
	below := f.Added(input)
	urgent := f.Submitted(daemon.Submission{Derivation: f.Derivation("urgent"), Priority: 2})
	unwanted := f.Submitted(daemon.Submission{Derivation: f.Derivation("unwanted"), Priority: -1})

	var got []string
	for {
		held := f.Given(agent, 1)
		if len(held) == 0 {
			break
		}
		got = append(got, held...)
		f.Ended(agent, held[0], true)
	}
	// What an urgent build waits for is as urgent.
	want := []string{below, above, urgent, old, unwanted}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("order (-want +got)\n%s", diff)
	}
}

func TestAnAgentGetsBuildsUpToItsTarget(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	other, _ := f.Joined("other")
	var builds []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		builds = append(builds, f.Added(f.Derivation(name)))
	}
	fetch := func(agent string, fetch coordinator.Fetch, want ...string) {
		t.Helper()
		fetch.Systems = []string{coordinatortest.System}
		allocations, err := f.FetchBuilds(t.Context(), agent, fetch)
		f.Must(err)
		var got []string
		for _, a := range allocations {
			got = append(got, a.UUID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("with %+v (-want +got)\n%s", fetch, diff)
		}
	}
	fetch(agent, coordinator.Fetch{Target: 2}, builds[:2]...)
	fetch(agent, coordinator.Fetch{Target: 2}, builds[:2]...) // a lost answer is given again
	fetch(agent, coordinator.Fetch{Target: 0}, builds[:2]...)
	fetch(agent, coordinator.Fetch{Target: 1}, builds[:2]...) // nothing is taken away
	fetch(other, coordinator.Fetch{Target: 1}, builds[2])
	fetch(agent, coordinator.Fetch{Target: 1, More: true}, builds[0], builds[1], builds[3])
	f.Restart() // as after a crash of either side
	fetch(agent, coordinator.Fetch{Target: 3}, builds[0], builds[1], builds[3])
	fetch(other, coordinator.Fetch{Target: 9}, builds[2], builds[4])
	f.Ended(agent, builds[1], false)
	fetch(agent, coordinator.Fetch{Target: 9}, builds[0], builds[3])
}

func TestAnAgentGetsOnlyBuildsForItsSystems(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	onSystem := func(system string, priority int64) string {
		drv := f.Make("hello", derivation.Derivation{System: system})
		return f.Submitted(daemon.Submission{Derivation: drv, Priority: priority})
	}
	amd64, arm64, i686 := onSystem("x86_64-linux", 0), onSystem("aarch64-linux", 9), onSystem("i686-linux", 1)
	allocations, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{"x86_64-linux", "i686-linux", "x86_64-linux"}, Target: 9})
	f.Must(err)
	var got []string
	for _, a := range allocations {
		got = append(got, a.UUID)
	}
	if diff := cmp.Diff([]string{i686, amd64}, got); diff != "" {
		t.Fatalf("allocated (-want +got)\n%s", diff)
	}
	if state := f.State(arm64); state != daemon.Ready {
		t.Errorf("the build for aarch64-linux: got %s, want ready", state)
	}
	a, err := f.Agent(t.Context(), agent)
	f.Must(err)
	if diff := cmp.Diff([]string{"i686-linux", "x86_64-linux"}, a.Systems); diff != "" {
		t.Errorf("requested systems (-want +got)\n%s", diff)
	}
	// What an agent asked for last counts.
	_, err = f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{"riscv64-linux"}})
	f.Must(err)
	a, err = f.Agent(t.Context(), agent)
	f.Must(err)
	if diff := cmp.Diff([]string{"riscv64-linux"}, a.Systems); diff != "" {
		t.Errorf("requested systems later (-want +got)\n%s", diff)
	}
}

func TestAnInactiveAgentGetsNothingNew(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	first, second := f.Added(f.Derivation("first")), f.Added(f.Derivation("second"))
	want := func(builds ...string) {
		t.Helper()
		if diff := cmp.Diff(builds, f.Given(agent, 2)); diff != "" {
			t.Fatalf("allocated (-want +got)\n%s", diff)
		}
	}
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Active: new(bool)}))
	want([]string{}...)
	// People change the flag in the database, too, as the post shows.
	f.Exec("UPDATE agents SET active = 1 WHERE id = ?", agent)
	want(first, second)
	f.Exec("UPDATE agents SET active = 0 WHERE id = ?", agent)
	third := f.Added(f.Derivation("third"))
	f.Ended(agent, first, true) // it may finish what it holds
	want(second)
	active := true
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Active: &active}))
	want(second, third)
}

func TestFetchesThatAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	long := string(make([]byte, 65))
	for _, tt := range []struct {
		name  string
		fetch coordinator.Fetch
	}{
		{"no systems", coordinator.Fetch{Target: 1}},
		{"too many systems", coordinator.Fetch{Target: 1, Systems: make([]string, 21)}},
		{"a system without a name", coordinator.Fetch{Target: 1, Systems: []string{coordinatortest.System, ""}}},
		{"a system with a huge name", coordinator.Fetch{Target: 1, Systems: []string{long}}},
		{"a negative target", coordinator.Fetch{Target: -1, Systems: []string{coordinatortest.System}}},
		{"a huge target", coordinator.Fetch{Target: 1001, Systems: []string{coordinatortest.System}}},
	} {
		before := f.Dump()
		if _, err := f.FetchBuilds(t.Context(), agent, tt.fetch); daemon.CodeOf(err) != daemon.Invalid {
			t.Errorf("%s: got the error %v, want one that is %s", tt.name, err, daemon.Invalid)
		}
		if diff := cmp.Diff(before, f.Dump()); diff != "" {
			t.Errorf("%s: the database changed (-before +after)\n%s", tt.name, diff)
		}
	}
	if state := f.State(build); state != daemon.Ready {
		t.Errorf("the build: got %s, want ready", state)
	}
}

func TestADeferredBuildWaitsForItsTime(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	until := f.Clock.Now().Add(time.Hour)
	uuid := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello"), NotBefore: until})
	if held := f.Given(agent, 1); len(held) > 0 || f.State(uuid) != daemon.Deferred {
		t.Fatalf("before its time: got %v, %s; want nothing, deferred", held, f.State(uuid))
	}
	f.Clock.Advance(time.Hour)
	f.Joined("another") // after every change the coordinator looks at the clock
	if held := f.Given(agent, 1); len(held) != 1 {
		t.Fatalf("at its time: got %v, want the build", held)
	}
}

func TestADeferredBuildIsReadyAfterARestartAtItsTime(t *testing.T) {
	f := coordinatortest.Open(t)
	uuid := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello"), NotBefore: f.Clock.Now().Add(time.Hour)})
	f.Restart()
	if state := f.State(uuid); state != daemon.Deferred {
		t.Fatalf("before its time: got %s, want deferred", state)
	}
	f.Clock.Advance(time.Hour)
	f.Restart()
	if state := f.State(uuid); state != daemon.Ready {
		t.Fatalf("at its time: got %s, want ready", state)
	}
}

func TestADeferralThatIsOverIsNone(t *testing.T) {
	f := coordinatortest.Open(t)
	uuid := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello"), NotBefore: f.Clock.Now()})
	b, err := f.Coordinator.Build(t.Context(), uuid)
	f.Must(err)
	if b.State != daemon.Ready || !b.NotBefore.IsZero() {
		t.Fatalf("got %s not before %v, want ready", b.State, b.NotBefore)
	}
}

func TestWhatIsBuiltElsewhereIsNotWaitedFor(t *testing.T) {
	f := coordinatortest.Open(t)
	input := f.Derivation("input") // has no build: a substitute server may have it
	uuid := f.Added(f.Derivation("hello", input))
	if state := f.State(uuid); state != daemon.Ready {
		t.Fatalf("got %s, want ready", state)
	}
	f.Added(input)
	if state := f.State(uuid); state != daemon.Waiting {
		t.Fatalf("with a build of its input: got %s, want waiting", state)
	}
}

func TestAllocationsSayWhatIsToBeBuilt(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	drv := f.Derivation("hello")
	uuid := f.Submitted(daemon.Submission{Derivation: drv, Priority: 5})
	got, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1})
	f.Must(err)
	want := []daemon.Allocation{{UUID: uuid, Derivation: drv, Priority: 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("allocations (-want +got)\n%s", diff)
	}
	agents, err := f.Agents(t.Context())
	f.Must(err)
	if diff := cmp.Diff(want, agents[0].Allocated); diff != "" {
		t.Errorf("allocations of the agent (-want +got)\n%s", diff)
	}
}

func TestBuildsOfTheSameDerivationAreIndependent(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	first, second := f.Added(input), f.Added(input)
	above := f.Added(f.Derivation("above", input))
	states := func(want ...daemon.State) {
		t.Helper()
		got := []daemon.State{f.State(first), f.State(second), f.State(above)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("states (-want +got)\n%s", diff)
		}
	}
	f.Given(agent, 2)
	f.Ended(agent, first, false)
	states(daemon.Failed, daemon.Allocated, daemon.Waiting) // there is hope
	f.Ended(agent, second, true)
	states(daemon.Failed, daemon.Succeeded, daemon.Ready)
	third := f.Added(input)
	f.Given(agent, 3)
	f.Ended(agent, third, false) // a success counts for ever
	f.Restart()
	states(daemon.Failed, daemon.Succeeded, daemon.Allocated)
}
