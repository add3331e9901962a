package coordinator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"

	"github.com/google/go-cmp/cmp"
)

// answer is what became of a fetch.
type answer struct {
	builds []string
	err    error
}

// poll has an agent wait for builds, much longer than the test may take, and
// returns when it has begun.
func poll(ctx context.Context, t *testing.T, f *coordinatortest.Farm, agent string, target int) <-chan answer {
	t.Helper()
	answers := make(chan answer, 1)
	// Each poll asks for a system of its own besides: seeing that recorded
	// tells that the poll got as far as looking for builds.
	marker := "0 " + agent // sorted first
	go func() {
		got, err := f.FetchBuilds(ctx, agent, coordinator.Fetch{
			Systems: []string{coordinatortest.System, marker}, Target: target, Wait: time.Hour})
		a := answer{err: err}
		for _, b := range got {
			a.builds = append(a.builds, b.UUID)
		}
		answers <- a
	}()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		a, err := f.Agent(t.Context(), agent)
		f.Must(err)
		if len(a.Systems) > 0 && a.Systems[0] == marker {
			return answers
		}
	}
	t.Fatal("the poll does not begin")
	return nil
}

// soon waits for an answer.
func soon(t *testing.T, answers <-chan answer) answer {
	t.Helper()
	select {
	case a := <-answers:
		return a
	case <-time.After(time.Minute):
		t.Fatal("there is no answer")
		return answer{}
	}
}

// A poll must end when there is something new, whatever made it so.
func TestAPollEndsWhenABuildBecomesReady(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(f *coordinatortest.Farm, holder, blocking, deferred string) // makes a build ready
	}{
		{"by a submission", func(f *coordinatortest.Farm, _, _, _ string) { f.Added(f.Derivation("new")) }},
		{"by the success of an input", func(f *coordinatortest.Farm, holder, blocking, _ string) { f.Ended(holder, blocking, true) }},
		{"by a release", func(f *coordinatortest.Farm, holder, blocking, _ string) {
			f.Must(f.ReleaseBuild(t.Context(), holder, blocking))
		}},
		{"by the clock", func(f *coordinatortest.Farm, _, _, _ string) {
			f.Clock.Advance(time.Hour)
			f.Joined("another")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := coordinatortest.Open(t)
			holder, _ := f.Joined("holder")
			agent, _ := f.Joined("bedok")
			input := f.Derivation("input")
			blocking := f.Added(input)
			f.Given(holder, 1)
			f.Added(f.Derivation("above", input))
			deferred := f.Submitted(daemon.Submission{Derivation: f.Derivation("deferred"), NotBefore: f.Clock.Now().Add(time.Hour)})
			answers := poll(t.Context(), t, f, agent, 5)
			tt.make(f, holder, blocking, deferred)
			if a := soon(t, answers); a.err != nil || len(a.builds) != 1 {
				t.Fatalf("got %+v, want one build", a)
			}
		})
	}
}

func TestAPollEndsWhenTheAgentBecomesActive(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Active: new(bool)}))
	build := f.Added(f.Derivation("hello"))
	answers := poll(t.Context(), t, f, agent, 1)
	active := true
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Active: &active}))
	if diff := cmp.Diff([]string{build}, soon(t, answers).builds); diff != "" {
		t.Fatalf("builds (-want +got)\n%s", diff)
	}
}

func TestAPollReturnsAtOnceIfThereIsSomething(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	got, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{
		Systems: []string{coordinatortest.System}, Target: 1, Wait: time.Hour})
	f.Must(err)
	if len(got) != 1 || got[0].UUID != build {
		t.Fatalf("got %v, want the build %s", got, build)
	}
}

func TestAPollEndsWithItsTime(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	got, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{
		Systems: []string{coordinatortest.System}, Target: 1, Wait: time.Millisecond})
	f.Must(err)
	if len(got) != 0 {
		t.Fatalf("got %v, want nothing", got)
	}
}

func TestAPollEndsWithItsContext(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	gone := errors.New("the agent is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	answers := poll(ctx, t, f, agent, 1)
	cancel(gone)
	if a := soon(t, answers); !errors.Is(a.err, gone) {
		t.Fatalf("got %+v, want the error %v", a, gone)
	}
}

func TestOnlyOneOfThoseWhoPollGetsABuild(t *testing.T) {
	f := coordinatortest.Open(t)
	answers := make(chan answer)
	for range 4 {
		agent, _ := f.Joined("bedok")
		polled := poll(t.Context(), t, f, agent, 1)
		go func() { answers <- <-polled }()
	}
	build := f.Added(f.Derivation("hello"))
	if diff := cmp.Diff([]string{build}, soon(t, answers).builds); diff != "" {
		t.Fatalf("builds (-want +got)\n%s", diff)
	}
	f.Quiesce()
	for range 3 {
		if a := soon(t, answers); a.err != nil || len(a.builds) > 0 {
			t.Errorf("another: got %+v, want nothing", a)
		}
	}
}

func TestQuiesceGivesNothingMoreAndEndsPolls(t *testing.T) {
	f := coordinatortest.Open(t)
	busy, _ := f.Joined("busy")
	idle, _ := f.Joined("idle")
	held := f.Added(f.Derivation("held"))
	f.Given(busy, 1)
	answers := poll(t.Context(), t, f, idle, 1)
	f.Quiesce()
	if a := soon(t, answers); a.err != nil || len(a.builds) > 0 {
		t.Fatalf("got %+v, want nothing", a)
	}
	f.Added(f.Derivation("new")) // accepted, for the next start
	if got := f.Given(idle, 1); len(got) > 0 {
		t.Errorf("after Quiesce: got %v, want nothing", got)
	}
	if diff := cmp.Diff([]string{held}, f.Given(busy, 2)); diff != "" {
		t.Errorf("what the busy agent holds (-want +got)\n%s", diff)
	}
	f.Ended(busy, held, true) // reports are still heard
	if state := f.State(held); state != daemon.Succeeded {
		t.Errorf("got %s, want succeeded", state)
	}
}

func TestAClosedCoordinatorRefuses(t *testing.T) {
	f := coordinatortest.At(t, t.TempDir()+"/tbfg.db")
	agent, _ := f.Joined("bedok")
	f.Close()
	_, err := f.NewPassword(t.Context(), agent)
	if daemon.CodeOf(err) != daemon.Unavailable {
		t.Fatalf("got the error %v, want one that is %s", err, daemon.Unavailable)
	}
}

// The connection of a poll may have broken without our knowing; what it is
// given would be lost until the agent asks again. The agent asks again, and
// then the first poll is not left waiting either.
func TestAPollEndsWhenTheAgentAsksAgain(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	first := poll(t.Context(), t, f, agent, 1)
	second := poll(t.Context(), t, f, agent, 1)
	newer := second
	var a answer
	select { // nothing says which of them asks first
	case a = <-first:
	case a = <-second:
		newer = first
	case <-time.After(time.Minute):
		t.Fatal("none of the polls ends")
	}
	if a.err != nil || len(a.builds) != 0 {
		t.Fatalf("the older poll: got %+v, want nothing", a)
	}
	build := f.Added(f.Derivation("hello"))
	if diff := cmp.Diff([]string{build}, soon(t, newer).builds); diff != "" {
		t.Fatalf("the newer poll: builds (-want +got)\n%s", diff)
	}
}
