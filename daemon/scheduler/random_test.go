package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever happens to builds, the scheduler and the model agree after every
// step, and a scheduler that is built anew from what the database would say
// agrees with them.
func TestTheSchedulerIsAsTheModel(t *testing.T) {
	systems := []string{"x86_64-linux", "i686-linux", "aarch64-linux"}
	rapid.Check(t, func(t *rapid.T) {
		m, s := &model{now: noon}, New()
		someTime := func() time.Time {
			if minutes := rapid.IntRange(-1, 3).Draw(t, "minutes to wait"); minutes >= 0 {
				return m.now.Add(time.Duration(minutes) * time.Minute)
			}
			return time.Time{}
		}
		some := func() *modelBuild {
			var live []*modelBuild
			for _, b := range m.builds {
				if b.end == unfinished {
					live = append(live, b)
				}
			}
			if len(live) == 0 {
				t.Skip("no build")
			}
			return rapid.SampledFrom(live).Draw(t, "build")
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				// Inputs have smaller numbers: derivations form no circle.
				first := rapid.Int64Range(1, 5).Draw(t, "first output")
				b := &modelBuild{
					id:        int64(len(m.builds) + 1),
					system:    rapid.SampledFrom(systems).Draw(t, "system"),
					priority:  rapid.Int64Range(-1, 1).Draw(t, "priority"),
					makes:     []int64{first},
					needs:     rapid.SliceOfNDistinct(rapid.Int64Range(0, first-1), 0, min(4, int(first)), rapid.ID).Draw(t, "needs"),
					notBefore: someTime(),
				}
				if rapid.Bool().Draw(t, "two outputs") {
					b.makes = append(b.makes, first+1)
				}
				if rapid.IntRange(0, 9).Draw(t, "needs its own") == 0 {
					b.needs = append(b.needs, first)
				}
				m.builds = append(m.builds, b)
				s.Add(m.input(b))
			},
			"allocate": func(t *rapid.T) {
				agent := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "agent")
				wanted := rapid.SliceOfN(rapid.SampledFrom(systems), 0, 3).Draw(t, "systems")
				n := rapid.IntRange(0, 3).Draw(t, "n")
				if diff := cmp.Diff(m.allocate(agent, wanted, n), s.Allocate(agent, wanted, n)); diff != "" {
					t.Fatalf("allocated (-want +got):\n%s", diff)
				}
			},
			"finish": func(t *rapid.T) {
				b := some()
				b.end = rapid.SampledFrom([]end{success, failure}).Draw(t, "end")
				s.Finish(b.id, b.end == success)
			},
			"cancel": func(t *rapid.T) {
				b := some()
				b.end = canceled
				s.Cancel(b.id)
			},
			"release": func(t *rapid.T) {
				b := some()
				b.agent, b.notBefore = "", someTime()
				s.Release(b.id, b.notBefore)
			},
			"time goes by": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				s.Advance(m.now) // as the coordinator does after every change
				agree(t, m, s)
				agree(t, m, m.rebuilt(t))
			},
		})
		for _, b := range m.builds {
			s.Cancel(b.id)
		}
		if len(s.builds)+len(s.outputs) != 0 {
			t.Fatalf("in the end %d builds and %d outputs are left", len(s.builds), len(s.outputs))
		}
	})
}

// rebuilt is a scheduler of what the database says, in any order.
func (m *model) rebuilt(t *rapid.T) *Scheduler {
	s := New()
	order := slices.Clone(m.builds)
	if len(order) > 0 && rapid.Bool().Draw(t, "newest first") {
		slices.Reverse(order)
	}
	for _, b := range order {
		if b.end == unfinished {
			s.Add(m.input(b))
		}
	}
	s.Advance(m.now)
	return s
}

// agree compares every answer.
func agree(t *rapid.T, m *model, s *Scheduler) {
	checkInvariants(t, s)
	type answer struct {
		State     daemon.State
		BlockedBy []int64
		WaitsFor  []int64
	}
	want, got := make(map[int64]answer), make(map[int64]answer)
	ready := make(map[string]int)
	for _, b := range m.builds {
		if b.end == unfinished {
			want[b.id] = answer{m.state(b), m.blockedBy(b), m.waitsFor(b)}
		}
		if state, known := s.State(b.id); known {
			got[b.id] = answer{state, s.BlockedBy(b.id), s.WaitsFor(b.id)}
		}
	}
	for _, b := range m.in(daemon.Ready) {
		ready[b.system]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("builds (-want +got):\n%s", diff)
	}
	if got := s.Len(); got != len(want) {
		t.Fatalf("got %d builds, want %d", got, len(want))
	}
	for _, system := range []string{"x86_64-linux", "i686-linux", "aarch64-linux"} {
		if got := s.Ready(system); got != ready[system] {
			t.Fatalf("got %d builds ready for %s, want %d", got, system, ready[system])
		}
	}
	if want, got := m.nextDue(), s.NextDue(); !got.Equal(want) {
		t.Fatalf("the next is due at %v, want %v", got, want)
	}
}

// Outputs that need one another, which sound derivations cannot describe but
// a hostile client may, do no harm.
func TestCirclesOfOutputsDoNoHarm(t *testing.T) {
	outputs := rapid.SliceOfNDistinct(rapid.Int64Range(1, 6), 0, 4, rapid.ID)
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		n := rapid.Int64Range(1, 10).Draw(t, "builds")
		for id := int64(1); id <= n; id++ {
			b := Build{ID: id, System: "x86_64-linux", Makes: outputs.Draw(t, "makes")}
			for _, output := range outputs.Draw(t, "needs") {
				b.Needs = append(b.Needs, Need{Output: output})
			}
			s.Add(b)
		}
		for id := int64(1); id <= n; id++ {
			checkInvariants(t, s)
			states(s)
			s.Finish(id, rapid.Bool().Draw(t, fmt.Sprintf("build %d succeeds", id)))
		}
		if len(s.builds)+len(s.outputs) != 0 {
			t.Fatalf("in the end %d builds and %d outputs are left", len(s.builds), len(s.outputs))
		}
	})
}
