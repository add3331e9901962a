package scheduler

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestDeferredBuildsBecomeReadyInTheirOrder(t *testing.T) {
	s := New()
	for id, minutes := range map[int64]int{1: 30, 2: 10, 3: 20, 4: 10} {
		s.Add(Build{ID: id, System: "x86_64-linux", NotBefore: noon.Add(time.Duration(minutes) * time.Minute)})
	}
	steps := []struct {
		minute int
		ready  int
		next   time.Time
	}{
		{0, 0, noon.Add(10 * time.Minute)},
		{10, 2, noon.Add(20 * time.Minute)},
		{29, 3, noon.Add(30 * time.Minute)},
		{31, 4, time.Time{}},
	}
	for _, step := range steps {
		s.Advance(noon.Add(time.Duration(step.minute) * time.Minute))
		checkInvariants(t, s)
		if got := s.Ready("x86_64-linux"); got != step.ready {
			t.Fatalf("after %d minutes: got %d builds, want %d", step.minute, got, step.ready)
		}
		if got := s.NextDue(); !got.Equal(step.next) {
			t.Fatalf("after %d minutes: the next is due at %v, want %v", step.minute, got, step.next)
		}
	}
}

func TestAReleasedBuildCanBeDeferred(t *testing.T) {
	s := with(makes(1, 100))
	s.Allocate("a", []string{"x86_64-linux"}, 1)
	s.Release(1, noon)
	if state, _ := s.State(1); state != daemon.Deferred {
		t.Fatalf("got %s, want deferred", state)
	}
	if got := s.Allocate("b", []string{"x86_64-linux"}, 1); got != nil {
		t.Fatalf("got %v before its time, want nothing", got)
	}
	s.Advance(noon)
	if got := s.Allocate("b", []string{"x86_64-linux"}, 1); len(got) != 1 {
		t.Fatalf("got %v at its time, want one", got)
	}
}

// NextDue is for a timer, which must not go off for builds that something
// else holds back.
func TestNextDueLeavesOutWhatCannotStartAnyway(t *testing.T) {
	s := with(makes(1, 100),
		Build{ID: 2, Needs: []Need{{Output: 100}}, NotBefore: noon},
		Build{ID: 3, Agent: "a", NotBefore: noon})
	if got := s.NextDue(); !got.IsZero() {
		t.Fatalf("got %v, want none", got)
	}
	s.Finish(1, true)
	if got := s.NextDue(); !got.Equal(noon) {
		t.Fatalf("when the input is there: got %v, want %v", got, noon)
	}
	s.Cancel(2)
	if got := s.NextDue(); !got.IsZero() {
		t.Fatalf("when the build is canceled: got %v, want none", got)
	}
}
