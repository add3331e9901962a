package scheduler

import (
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestALostOutput(t *testing.T) {
	type state = map[int64]daemon.State
	// 2 needs an output that was built before.
	needs := Build{ID: 2, System: "x86_64-linux", Makes: []int64{200}, Needs: []Need{{Output: 100, Built: true}}}
	lost, failed := needs, needs
	lost.Needs = []Need{{Output: 100, Built: true, Lost: true}}
	failed.Needs = []Need{{Output: 100, Built: true, Lost: true, Failed: 1}}
	again := makes(3, 100)
	tests := []struct {
		name string
		s    *Scheduler
		then func(*Scheduler)
		want state
	}{
		{"counts as there while nobody builds it again", with(needs),
			func(s *Scheduler) { s.Lost(100) },
			state{2: daemon.Ready}},
		{"is not there when somebody builds it again", with(needs),
			func(s *Scheduler) {
				s.Lost(100)
				s.Add(again)
			},
			state{2: daemon.Waiting, 3: daemon.Ready}},
		{"is not there when somebody builds it already", with(needs, again),
			func(s *Scheduler) { s.Lost(100) },
			state{2: daemon.Waiting, 3: daemon.Ready}},
		{"is there when it was built again", with(needs, again),
			func(s *Scheduler) {
				s.Lost(100)
				s.Finish(3, true)
			},
			state{2: daemon.Ready}},
		{"is as before once it was built again", with(needs, again, makes(4, 100)),
			func(s *Scheduler) {
				s.Lost(100)
				s.Finish(3, true)
			},
			state{2: daemon.Ready, 4: daemon.Ready}},
		{"blocks when it cannot be built again", with(needs, again),
			func(s *Scheduler) {
				s.Lost(100)
				s.Finish(3, false)
			},
			state{2: daemon.Blocked}},
		{"waits when it is tried once more", with(needs, again),
			func(s *Scheduler) {
				s.Lost(100)
				s.Finish(3, false)
				s.Lost(100)
				s.Add(makes(4, 100))
			},
			state{2: daemon.Waiting, 4: daemon.Ready}},
		{"counts as there when nobody wants to build it any more", with(needs, again),
			func(s *Scheduler) {
				s.Lost(100)
				s.Cancel(3)
			},
			state{2: daemon.Ready}},
		{"does not mind a build that failed before it was lost", with(needs, again),
			func(s *Scheduler) {
				s.Finish(3, false)
				s.Lost(100)
			},
			state{2: daemon.Ready}},
		{"is lost again after a restart", with(again, lost), nil,
			state{2: daemon.Waiting, 3: daemon.Ready}},
		{"blocks again after a restart", with(failed), nil, state{2: daemon.Blocked}},
		{"that nobody made is nothing special", with(makes(1, 200, 100)),
			func(s *Scheduler) { s.Lost(100) },
			state{1: daemon.Ready}},
		{"that nobody knows is nothing at all", with(needs),
			func(s *Scheduler) { s.Lost(77) },
			state{2: daemon.Ready}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.then != nil {
				tt.then(tt.s)
			}
			if diff := cmp.Diff(tt.want, states(tt.s)); diff != "" {
				t.Fatalf("states (-want +got):\n%s", diff)
			}
			ranks(tt.s)
			checkInvariants(t, tt.s)
		})
	}
}

func TestWhoNeedsALostOutputRaisesItsBuilds(t *testing.T) {
	needs := urgent(5, Build{ID: 2, Needs: []Need{{Output: 100, Built: true}}})
	s := with(makes(1, 100), makes(3, 100), needs)
	if derived, chain := s.Priority(1); derived != 0 || chain != 0 {
		t.Fatalf("nobody needs it, but it has priority %d and chain %d", derived, chain)
	}
	s.Lost(100)
	if diff := cmp.Diff(map[int64]rank{1: {5, 1}, 2: {5, 0}, 3: {5, 1}}, ranks(s)); diff != "" {
		t.Fatalf("derived priorities and chains (-want +got):\n%s", diff)
	}
}

// The database is right if it and the scheduler disagree, which they do not
// as long as the scheduler is told of everything.
func TestNewFactsCountForAllBuildsThatNeedAnOutput(t *testing.T) {
	with100 := func(id int64, built bool) Build {
		return urgent(id, Build{ID: id, Needs: []Need{{Output: 100, Built: built}}})
	}
	s := with(makes(1, 100), with100(2, false))
	ranks(s)
	s.Add(with100(3, true))
	if diff := cmp.Diff(map[int64]rank{1: {0, 0}, 2: {2, 0}, 3: {3, 0}}, ranks(s)); diff != "" {
		t.Fatalf("when it was built (-want +got):\n%s", diff)
	}
	checkInvariants(t, s)
	s.Add(with100(4, false))
	if diff := cmp.Diff(map[int64]rank{1: {4, 1}, 2: {2, 0}, 3: {3, 0}, 4: {4, 0}}, ranks(s)); diff != "" {
		t.Fatalf("when it was not after all (-want +got):\n%s", diff)
	}
	checkInvariants(t, s)
}
