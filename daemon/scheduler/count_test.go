package scheduler

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestCountsFollowTheBuilds(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200, 100), makes(3, 300, 200), makes(4, 400),
		Build{ID: 5, System: "armhf-linux", NotBefore: noon})
	check := func(x86, arm map[daemon.State]int, oldest map[string]int64) {
		t.Helper()
		want := map[string]map[daemon.State]int{"x86_64-linux": x86}
		if arm != nil {
			want["armhf-linux"] = arm
		}
		if diff := cmp.Diff(want, s.Queue()); diff != "" {
			t.Fatalf("counts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(oldest, s.OldestReady()); diff != "" {
			t.Fatalf("the oldest ready (-want +got):\n%s", diff)
		}
	}
	check(map[daemon.State]int{daemon.Ready: 2, daemon.Waiting: 2}, map[daemon.State]int{daemon.Deferred: 1},
		map[string]int64{"x86_64-linux": 1})
	s.Allocate("a", []string{"x86_64-linux"}, 1)
	s.Advance(noon)
	check(map[daemon.State]int{daemon.Ready: 1, daemon.Waiting: 2, daemon.Allocated: 1}, map[daemon.State]int{daemon.Ready: 1},
		map[string]int64{"x86_64-linux": 4, "armhf-linux": 5})
	s.Finish(1, false)
	s.Cancel(5)
	check(map[daemon.State]int{daemon.Ready: 1, daemon.Blocked: 2}, nil, map[string]int64{"x86_64-linux": 4})
}

// A build that is handed out and given back for ever is remembered a bounded
// number of times.
func TestGoingBackAndForthTakesNoMemory(t *testing.T) {
	s := with(makes(1, 100))
	for range 10_000 {
		s.Allocate("a", []string{"x86_64-linux"}, 1)
		s.Release(1, time.Time{})
	}
	if got := len(s.systems[0].ready); got > 1100 {
		t.Fatalf("got %d entries of one build", got)
	}
	checkInvariants(t, s)
}
