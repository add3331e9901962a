package scheduler

import (
	"sync"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestBlockedBy(t *testing.T) {
	fail := func(ids ...int64) func(*Scheduler) {
		return func(s *Scheduler) {
			for _, id := range ids {
				s.Finish(id, false)
			}
		}
	}
	chain := []Build{makes(1, 100), makes(2, 200, 100), makes(3, 300, 200)}
	tests := []struct {
		name   string
		builds []Build
		then   func(*Scheduler)
		of     int64
		want   []int64
	}{
		{"nothing blocks a build that waits", chain, fail(), 3, nil},
		{"the failure at the beginning of the chain blocks", chain, fail(1), 3, []int64{1}},
		{"the failures of several inputs are listed, sorted",
			[]Build{makes(5, 100), makes(4, 200), makes(6, 600, 100, 200)}, fail(5, 4), 6, []int64{4, 5}},
		{"what two inputs are blocked by is listed once",
			[]Build{makes(1, 100), makes(2, 200, 100), makes(3, 300, 100), makes(4, 400, 200, 300)}, fail(1), 4, []int64{1}},
		{"one hopeless input is enough",
			[]Build{makes(1, 100), makes(2, 200), makes(3, 300, 100, 200)}, fail(1), 3, []int64{1}},
		{"there is hope while one of several builds of an input can run",
			[]Build{makes(1, 100), makes(2, 200, 100), makes(3, 200), makes(4, 400, 200)}, fail(1), 4, nil},
		{"there is none when each of several builds of an input is blocked",
			[]Build{makes(1, 100), makes(2, 200, 100), makes(3, 900), makes(4, 200, 900), makes(5, 500, 200)},
			fail(1, 3), 5, []int64{1, 3}},
		{"of several failed builds of one output the newest is named, in whatever order they failed",
			[]Build{makes(1, 100), makes(2, 100), makes(3, 300, 100)}, fail(2, 1), 3, []int64{2}},
		{"outputs in a circle wait and do not block", []Build{makes(1, 100, 200), makes(2, 200, 100)}, fail(), 1, nil},
		{"a circle is blocked by what fails beside it",
			[]Build{makes(9, 900), makes(1, 100, 200), makes(2, 200, 100, 900)}, fail(9), 1, []int64{9}},
		{"nothing blocks a build that is not known", chain, fail(1), 77, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := with(tt.builds...)
			tt.then(s)
			checkInvariants(t, s)
			if diff := cmp.Diff(tt.want, s.BlockedBy(tt.of)); diff != "" {
				t.Fatalf("blocked by (-want +got):\n%s", diff)
			}
			if state, _ := s.State(tt.of); (state == daemon.Blocked) != (tt.want != nil) {
				t.Fatalf("the state is %s", state)
			}
		})
	}
}

func TestWaitsFor(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200), makes(3, 200), makes(4, 400, 200, 100, 999), makes(5, 500, 400))
	want := func(id int64, ids ...int64) {
		t.Helper()
		if diff := cmp.Diff(ids, s.WaitsFor(id)); diff != "" {
			t.Fatalf("build %d waits for (-want +got):\n%s", id, diff)
		}
	}
	want(4, 1, 2, 3)
	want(5, 4) // not for what is further below
	s.Finish(3, true)
	want(4, 1) // 2 goes on, but is not needed
	s.Finish(1, false)
	want(4)
	want(1) // not known any more
}

func TestOnlyTheOldestOfVeryManyBlockersAreListed(t *testing.T) {
	s := New()
	top := makes(1, 1)
	var want []int64
	for id := int64(1000); id > 10; id-- {
		s.Add(makes(id, 10*id))
		top.Needs = append(top.Needs, Need{Output: 10 * id})
	}
	s.Add(top)
	for id := int64(11); id <= 1000; id++ {
		s.Finish(id, false)
		if len(want) < maxBlockers {
			want = append(want, id)
		}
	}
	if diff := cmp.Diff(want, s.BlockedBy(1)); diff != "" {
		t.Fatalf("blocked by (-want +got):\n%s", diff)
	}
}

func TestWhatIsListedBelongsToTheCaller(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200, 100))
	s.Finish(1, false)
	s.BlockedBy(2)[0] = 99
	if diff := cmp.Diff([]int64{1}, s.BlockedBy(2)); diff != "" {
		t.Fatalf("blocked by (-want +got):\n%s", diff)
	}
}

func TestSeveralMayAskAtATime(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200, 100), makes(3, 300, 200), makes(4, 400), makes(5, 500, 400))
	s.Finish(1, false)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, id := range []int64{2, 3} {
				state, _ := s.State(id)
				s.Priority(id) // the first to ask brings them up to date
				s.ReadyFor(Agent{ID: "a", Systems: []string{"x86_64-linux"}})
				s.NextDue()
				if by := s.BlockedBy(id); state != daemon.Blocked || len(by) != 1 || len(s.WaitsFor(3)) != 1 {
					t.Errorf("build %d: got %s, blocked by %v", id, state, by)
				}
			}
		})
	}
	group.Wait()
}
