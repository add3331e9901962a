package scheduler

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAllocate(t *testing.T) {
	of := func(id int64, system string, priority int64) Build {
		return Build{ID: id, System: system, Priority: priority, Makes: []int64{100 * id}}
	}
	const x86, arm = "x86_64-linux", "aarch64-linux"
	tests := []struct {
		name    string
		builds  []Build
		systems []string
		n       int
		want    []int64
	}{
		{"gives nothing where there is nothing", nil, []string{x86}, 3, nil},
		{"gives the oldest first", []Build{of(2, x86, 0), of(1, x86, 0), of(3, x86, 0)}, []string{x86}, 2, []int64{1, 2}},
		{"gives the most urgent first", []Build{of(1, x86, -5), of(2, x86, 0), of(3, x86, 7)}, []string{x86}, 3, []int64{3, 2, 1}},
		{"gives less than asked for rather than another system's", []Build{of(1, x86, 0), of(2, arm, 9)}, []string{x86}, 5, []int64{1}},
		{"takes the most urgent of all systems asked for", []Build{of(1, x86, 0), of(2, arm, 1), of(3, x86, 2)}, []string{x86, arm}, 3, []int64{3, 2, 1}},
		{"does not mind a system that is named twice", []Build{of(1, x86, 0)}, []string{x86, x86}, 2, []int64{1}},
		{"does not mind a system that nobody knows", []Build{of(1, x86, 0)}, []string{"pdp11-bsd"}, 2, nil},
		{"gives nothing to who wants nothing", []Build{of(1, x86, 0)}, []string{x86}, 0, nil},
		{"gives nothing to who wants less than nothing", []Build{of(1, x86, 0)}, []string{x86}, -1, nil},
		{"gives nothing to who takes no system", []Build{of(1, x86, 0)}, nil, 1, nil},
		{"gives nothing that has to wait", []Build{makes(1, 100), makes(2, 200, 100)}, []string{x86}, 2, []int64{1}},
		{"gives nothing that is deferred", []Build{{ID: 1, System: x86, NotBefore: noon}}, []string{x86}, 1, nil},
		{"gives nothing that another agent holds", []Build{{ID: 1, System: x86, Agent: "b"}}, []string{x86}, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := with(tt.builds...)
			if diff := cmp.Diff(tt.want, s.Allocate("a", tt.systems, tt.n)); diff != "" {
				t.Fatalf("builds (-want +got):\n%s", diff)
			}
			checkInvariants(t, s)
		})
	}
}

func TestABuildIsGivenToOneAgentOnly(t *testing.T) {
	s := with(makes(1, 100))
	s.Allocate("a", []string{"x86_64-linux"}, 1)
	if got := s.Allocate("b", []string{"x86_64-linux"}, 1); got != nil {
		t.Fatalf("got %v, want nothing", got)
	}
	s.Release(1, time.Time{})
	if diff := cmp.Diff([]int64{1}, s.Allocate("b", []string{"x86_64-linux"}, 1)); diff != "" {
		t.Fatalf("after its release (-want +got):\n%s", diff)
	}
}

func TestReadyCountsWhatAnAgentCouldHave(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200), makes(3, 300, 100))
	ready := func(want int) {
		t.Helper()
		if got := s.Ready("x86_64-linux"); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
	ready(2)
	s.Allocate("a", []string{"x86_64-linux"}, 2)
	ready(0)
	s.Finish(1, true)
	ready(1)
	if got := s.Ready("aarch64-linux"); got != 0 {
		t.Fatalf("of a system without builds: got %d, want 0", got)
	}
	if got := s.Len(); got != 2 {
		t.Fatalf("unfinished builds: got %d, want 2", got)
	}
}
