package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// urgent is a build with a priority.
func urgent(priority int64, b Build) Build {
	b.Priority = priority
	return b
}

func ranks(s *Scheduler) map[int64]rank {
	all := make(map[int64]rank)
	for id := range s.buildByID.all() {
		derived, chain := s.Priority(id)
		all[id] = rank{derived, chain}
	}
	return all
}

func TestPriority(t *testing.T) {
	type want = map[int64]rank
	chain := []Build{makes(1, 100), makes(2, 200, 100), makes(3, 300, 200)}
	tests := []struct {
		name   string
		builds []Build
		then   func(*Scheduler)
		want   want
	}{
		{"a build that nobody waits for has its own", []Build{urgent(-3, makes(1, 100))}, nil, want{1: {-3, 0}}},
		{"the chain counts the builds that wait one for another", chain, nil, want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}}},
		{"the longest chain counts",
			[]Build{makes(1, 100), makes(2, 200, 100), makes(3, 300, 100, 200)}, nil,
			want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}}},
		{"a build is as urgent as the most urgent one above it",
			[]Build{makes(1, 100), urgent(-1, makes(2, 200, 100)), urgent(7, makes(3, 300, 200)), urgent(5, makes(4, 400, 100))}, nil,
			want{1: {7, 2}, 2: {7, 1}, 3: {7, 0}, 4: {5, 0}}},
		{"a build is not less urgent than itself",
			[]Build{urgent(3, makes(1, 100)), makes(2, 200, 100)}, nil, want{1: {3, 1}, 2: {0, 0}}},
		{"a later build above raises", chain,
			func(s *Scheduler) { s.Add(urgent(4, makes(4, 400, 300))) },
			want{1: {4, 3}, 2: {4, 2}, 3: {4, 1}, 4: {4, 0}}},
		{"a later build below is raised", chain[1:],
			func(s *Scheduler) {
				s.SetPriority(3, 6)
				s.Priority(3)
				s.Add(makes(1, 100))
			},
			want{1: {6, 2}, 2: {6, 1}, 3: {6, 0}}},
		{"a changed priority is passed on", chain,
			func(s *Scheduler) {
				s.Priority(1)
				s.SetPriority(3, 9)
			},
			want{1: {9, 2}, 2: {9, 1}, 3: {9, 0}}},
		{"a lower one is, too, as far as nobody else is as urgent",
			[]Build{makes(1, 100), makes(2, 200), urgent(9, makes(3, 300, 100, 200)), urgent(5, makes(4, 400, 200))},
			func(s *Scheduler) {
				s.Priority(1)
				s.SetPriority(3, -1)
			},
			want{1: {0, 1}, 2: {5, 1}, 3: {-1, 0}, 4: {5, 0}}},
		{"a lower one does not matter below something more urgent",
			[]Build{urgent(2, makes(1, 100)), urgent(8, makes(2, 200, 100))},
			func(s *Scheduler) {
				s.Priority(1)
				s.SetPriority(1, 0)
			},
			want{1: {8, 1}, 2: {8, 0}}},
		{"the priority of a build that is not known is nobody's business", chain,
			func(s *Scheduler) { s.SetPriority(77, 9) },
			want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}}},
		{"what is canceled does not count any more", append(chain, urgent(4, makes(4, 400, 300))),
			func(s *Scheduler) {
				s.Priority(1)
				s.Cancel(4)
			},
			want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}}},
		{"who waits no more does not count any more: the other build of the input is in vain",
			append(chain, makes(4, 100)),
			func(s *Scheduler) {
				s.SetPriority(3, 4)
				s.Priority(1)
				s.Finish(1, true)
			},
			want{2: {4, 1}, 3: {4, 0}, 4: {0, 0}}},
		{"every build of an input counts", append(chain, makes(4, 100)), nil,
			want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}, 4: {0, 2}}},
		{"a build that is blocked by another failure still counts",
			[]Build{makes(1, 100), makes(2, 200), urgent(3, makes(3, 300, 100, 200))},
			func(s *Scheduler) { s.Finish(2, false) },
			want{1: {3, 1}, 3: {3, 0}}},
		{"who tries a failed build again is raised as the first one was", chain,
			func(s *Scheduler) {
				s.SetPriority(3, 5)
				s.Priority(1)
				s.Finish(1, false)
				s.Add(makes(9, 100))
			},
			want{9: {5, 2}, 2: {5, 1}, 3: {5, 0}}},
		{"builds in a circle and below it have endless chains",
			[]Build{makes(1, 100), makes(2, 200, 100, 300), makes(3, 300, 200), makes(4, 400, 300)}, nil,
			want{1: {0, endless}, 2: {0, endless}, 3: {0, endless}, 4: {0, 0}}},
		{"a circle that is closed later is noticed",
			[]Build{makes(1, 100), makes(2, 200, 100, 300), makes(4, 400, 200)},
			func(s *Scheduler) {
				s.Priority(1)
				s.Add(makes(3, 300, 200))
			},
			want{1: {0, endless}, 2: {0, endless}, 3: {0, endless}, 4: {0, 0}}},
		{"a circle that breaks becomes a chain",
			[]Build{makes(1, 100), makes(2, 200, 100, 300), makes(3, 300, 200), makes(4, 300), makes(5, 500, 200)},
			func(s *Scheduler) {
				s.Priority(1)
				s.Finish(4, true)
			},
			want{1: {0, 2}, 2: {0, 1}, 3: {0, 0}, 5: {0, 0}}},
		{"a circle does not hold up the priority that it had from outside",
			[]Build{makes(1, 100), makes(2, 200, 100, 300), makes(3, 300, 200), urgent(9, makes(4, 400, 300)), urgent(5, makes(5, 500, 200))},
			func(s *Scheduler) {
				s.Priority(1)
				s.Cancel(4)
			},
			want{1: {5, endless}, 2: {5, endless}, 3: {5, endless}, 5: {5, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := with(tt.builds...)
			if tt.then != nil {
				tt.then(s)
			}
			if diff := cmp.Diff(tt.want, ranks(s)); diff != "" {
				t.Fatalf("derived priorities and chains (-want +got):\n%s", diff)
			}
			checkInvariants(t, s)
		})
	}
	if derived, chain := New().Priority(1); derived != 0 || chain != 0 {
		t.Fatalf("of an unknown build: got %d, %d", derived, chain)
	}
}

func TestTheOrderOfAllocation(t *testing.T) {
	s := with(
		makes(1, 100),
		makes(2, 200),
		makes(3, 300),
		makes(4, 400),
		makes(5, 500, 200),            // 2 has a chain
		urgent(1, makes(6, 600, 400)), // 4 is urgent
	)
	want := func(ids ...int64) {
		t.Helper()
		if diff := cmp.Diff(ids, s.Allocate("a", []string{"x86_64-linux"}, 9)); diff != "" {
			t.Fatalf("allocated (-want +got):\n%s", diff)
		}
		for _, id := range ids {
			s.Release(id, time.Time{})
		}
		checkInvariants(t, s)
	}
	want(4, 2, 1, 3)
	s.SetPriority(3, 2)
	want(3, 4, 2, 1)
	s.SetPriority(3, -1)
	s.Cancel(5)
	want(4, 1, 2, 3)
	s.Finish(4, true)
	want(6, 1, 2, 3)
}

// A graph of the real size, in which many things happen between one question
// and the next.
func TestALargeGraphIsRightAfterManyChanges(t *testing.T) {
	s := with(graph(0, 0)...)
	random := rand.New(rand.NewPCG(3, 4))
	agent := Agent{ID: "a", Systems: []string{"x86_64-linux", "aarch64-linux"}}
	for range 3 {
		for range 200 {
			id := 1 + random.Int64N(5600)
			s.SetPriority(id, random.Int64N(5))
			s.Cancel(1 + random.Int64N(5600))
			for _, id := range s.AllocateTo(agent, random.IntN(5)) {
				s.Finish(id, random.IntN(20) > 0)
			}
			s.Lost(1 + random.Int64N(6000))
		}
		s.Priority(1)
		checkInvariants(t, s)
	}
}

// Nothing is done by recursion: graphs may be deep.
func TestAChainOfVeryManyBuilds(t *testing.T) {
	const n = 200_000
	s := New()
	for id := int64(1); id <= n; id++ {
		s.Add(makes(id, id, id-1))
	}
	s.SetPriority(n, 1)
	if derived, chain := s.Priority(1); derived != 1 || chain != n-1 {
		t.Fatalf("got priority %d and chain %d at the bottom, want 1 and %d", derived, chain, n-1)
	}
	s.Finish(1, false)
	if diff := cmp.Diff([]int64{1}, s.BlockedBy(n)); diff != "" {
		t.Fatalf("at the top blocked by (-want +got):\n%s", diff)
	}
	s.Add(makes(n+1, 1))
	s.Cancel(n)
	if derived, chain := s.Priority(n + 1); derived != 0 || chain != n-2 {
		t.Fatalf("got priority %d and chain %d at the bottom, want 0 and %d", derived, chain, n-2)
	}
}

// What is put off until somebody asks does not pile up if nobody does.
func TestWhatComesAndGoesUnaskedLeavesNothing(t *testing.T) {
	s := with(makes(1, 100))
	for id := int64(2); id < 30_000; id++ {
		s.Add(makes(id, 200, 100))
		s.Cancel(id)
	}
	if got := len(s.fresh) + len(s.dirty); got > 11_000 {
		t.Fatalf("%d builds are to be looked after, want one", got)
	}
	s.Cancel(1)
	checkEmpty(t, s)
}
