package scheduler

import (
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

// noon is when the tests take place.
var noon = time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)

// makes is a build of x86_64-linux that makes one output.
func makes(id, output int64, needs ...int64) Build {
	b := Build{ID: id, System: "x86_64-linux", Makes: []int64{output}}
	for _, need := range needs {
		b.Needs = append(b.Needs, Need{Output: need})
	}
	return b
}

// with is a scheduler that knows some builds.
func with(builds ...Build) *Scheduler {
	s := New()
	for _, b := range builds {
		s.Add(b)
	}
	return s
}

func states(s *Scheduler) map[int64]daemon.State {
	all := make(map[int64]daemon.State)
	for id := range s.buildByID.all() {
		all[id], _ = s.State(id)
	}
	return all
}

func TestABuild(t *testing.T) {
	type state = map[int64]daemon.State
	glibc, hello := makes(1, 100), makes(2, 200, 100)
	tests := []struct {
		name string
		s    *Scheduler
		then func(*Scheduler)
		want state
	}{
		{"without inputs is ready", with(glibc), nil, state{1: daemon.Ready}},
		{"is ready when no build makes what it needs", with(hello), nil, state{2: daemon.Ready}},
		{"waits for an input that a build makes", with(glibc, hello), nil, state{1: daemon.Ready, 2: daemon.Waiting}},
		{"waits for a build that came later", with(hello, glibc), nil, state{1: daemon.Ready, 2: daemon.Waiting}},
		{"is ready when its input was made", with(glibc, hello),
			func(s *Scheduler) { s.Finish(1, true) },
			state{2: daemon.Ready}},
		{"is blocked when its input failed", with(glibc, hello),
			func(s *Scheduler) { s.Finish(1, false) },
			state{2: daemon.Blocked}},
		{"waits again when a failed input is built again", with(glibc, hello),
			func(s *Scheduler) {
				s.Finish(1, false)
				s.Add(makes(3, 100))
			},
			state{2: daemon.Waiting, 3: daemon.Ready}},
		{"is ready when the second attempt at its input succeeds", with(glibc, hello, makes(3, 100)),
			func(s *Scheduler) {
				s.Finish(1, false)
				s.Finish(3, true)
			},
			state{2: daemon.Ready}},
		{"is blocked when the second attempt is canceled", with(glibc, hello, makes(3, 100)),
			func(s *Scheduler) {
				s.Finish(1, false)
				s.Cancel(3)
			},
			state{2: daemon.Blocked}},
		{"stays ready when an input that was made is built again and fails", with(glibc, hello, makes(3, 100)),
			func(s *Scheduler) {
				s.Finish(1, true)
				s.Finish(3, false)
			},
			state{2: daemon.Ready}},
		{"is ready when its input's build is canceled, since agents then fetch it", with(glibc, hello),
			func(s *Scheduler) { s.Cancel(1) },
			state{2: daemon.Ready}},
		{"waits for the last of its inputs", with(glibc, makes(2, 200), makes(3, 300, 100, 200, 999)),
			func(s *Scheduler) { s.Finish(2, true) },
			state{1: daemon.Ready, 3: daemon.Waiting}},
		{"is blocked by a failure far below it", with(glibc, hello, makes(3, 300, 200), makes(4, 400, 300)),
			func(s *Scheduler) { s.Finish(1, false) },
			state{2: daemon.Blocked, 3: daemon.Blocked, 4: daemon.Blocked}},
		{"is told at once of an input that was made before it came", New(),
			func(s *Scheduler) {
				s.Add(Build{ID: 2, Makes: []int64{200}, Needs: []Need{{Output: 100, Built: true}}})
			},
			state{2: daemon.Ready}},
		{"is told at once of an input that failed before it came", New(),
			func(s *Scheduler) {
				s.Add(Build{ID: 2, Makes: []int64{200}, Needs: []Need{{Output: 100, Failed: 1}}})
			},
			state{2: daemon.Blocked}},
		{"does not wait for what it makes itself", with(makes(1, 100, 100)), nil, state{1: daemon.Ready}},
		{"in an agent's hands is allocated whatever its inputs say", with(Build{ID: 1, Makes: []int64{100}, Agent: "a"},
			Build{ID: 2, Makes: []int64{200}, Needs: []Need{{Output: 100}}, Agent: "a"}), nil,
			state{1: daemon.Allocated, 2: daemon.Allocated}},
		{"that is known stays as it is", with(glibc, hello),
			func(s *Scheduler) { s.Add(makes(2, 300)) },
			state{1: daemon.Ready, 2: daemon.Waiting}},
		{"that ended is not known any more", with(glibc, hello),
			func(s *Scheduler) {
				s.Finish(1, true)
				s.Finish(2, false)
			},
			state{}},
		{"that is not known can end, go back and be canceled without harm", with(glibc),
			func(s *Scheduler) {
				s.Finish(7, true)
				s.Cancel(8)
				s.Release(9, noon)
			},
			state{1: daemon.Ready}},
		{"before its time is deferred", with(Build{ID: 1, Makes: []int64{100}, NotBefore: noon}),
			func(s *Scheduler) { s.Advance(noon.Add(-1)) },
			state{1: daemon.Deferred}},
		{"at its time is ready", with(Build{ID: 1, Makes: []int64{100}, NotBefore: noon}),
			func(s *Scheduler) { s.Advance(noon) },
			state{1: daemon.Ready}},
		{"without its inputs waits, deferred or not", with(glibc,
			Build{ID: 2, Makes: []int64{200}, Needs: []Need{{Output: 100}}, NotBefore: noon}), nil,
			state{1: daemon.Ready, 2: daemon.Waiting}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.then != nil {
				tt.then(tt.s)
			}
			checkInvariants(t, tt.s)
			if diff := cmp.Diff(tt.want, states(tt.s)); diff != "" {
				t.Fatalf("states (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStateOfAnUnknownBuild(t *testing.T) {
	if state, known := New().State(1); known || state != "" {
		t.Fatalf("got %q, %v, want nothing", state, known)
	}
}
