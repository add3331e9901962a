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
	// Inputs have smaller numbers: derivations form no circle.
	testAgainstModel(t, false, func(t *rapid.T, b *modelBuild) {
		first := rapid.Int64Range(1, 7).Draw(t, "first output")
		b.makes = []int64{first}
		b.needs = rapid.SliceOfNDistinct(rapid.Int64Range(0, first-1), 0, min(4, int(first)), rapid.ID).Draw(t, "needs")
		if rapid.Bool().Draw(t, "two outputs") {
			b.makes = append(b.makes, first+1)
		}
		if rapid.IntRange(0, 9).Draw(t, "needs its own") == 0 {
			b.needs = append(b.needs, first)
		}
	})
}

// Outputs may need one another, where several derivations make the same fixed
// output.
func TestTheSchedulerIsAsTheModelAlsoInCircles(t *testing.T) {
	outputs := rapid.SliceOfNDistinct(rapid.Int64Range(1, 7), 0, 3, rapid.ID)
	testAgainstModel(t, true, func(t *rapid.T, b *modelBuild) {
		b.makes = outputs.Draw(t, "makes")
		b.needs = outputs.Draw(t, "needs")
	})
}

func testAgainstModel(t *testing.T, circles bool, derivation func(*rapid.T, *modelBuild)) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{m: &model{now: noon, lost: make(map[int64]int), circles: circles}, s: New()}
		m, s := h.m, h.s
		priority := rapid.Int64Range(-2, 3)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 6).Draw(t, "builds") {
					b := &modelBuild{
						id:        int64(len(m.builds) + 1),
						system:    rapid.SampledFrom(systems).Draw(t, "system"),
						priority:  priority.Draw(t, "priority"),
						tags:      buildTags.Draw(t, "tags"),
						notBefore: h.someTime(t),
					}
					derivation(t, b)
					m.builds = append(m.builds, b)
					s.Add(m.input(b))
				}
			},
			"allocate": func(t *rapid.T) {
				agent := anAgent.Draw(t, "agent")
				n := rapid.IntRange(0, 3).Draw(t, "n")
				if want, got := len(m.readyFor(agent)), s.ReadyFor(agent); got < want {
					t.Fatalf("at most %d builds are ready, want %d", got, want)
				}
				if diff := cmp.Diff(m.allocate(agent, n), s.AllocateTo(agent, n)); diff != "" {
					t.Fatalf("allocated (-want +got):\n%s", diff)
				}
				if want, got := len(m.readyFor(agent)), s.ReadyFor(agent); n > 0 && got != want {
					t.Fatalf("then %d builds are ready, want %d", got, want)
				}
			},
			"finish": func(t *rapid.T) {
				b := h.some(t)
				m.ends(b, rapid.SampledFrom([]end{success, failure}).Draw(t, "end"))
				s.Finish(b.id, b.end == success)
			},
			"cancel": func(t *rapid.T) {
				b := h.some(t)
				m.ends(b, canceled)
				s.Cancel(b.id)
			},
			"release": func(t *rapid.T) {
				b := h.some(t)
				b.agent, b.notBefore = "", h.someTime(t)
				s.Release(b.id, b.notBefore)
			},
			"set priority": func(t *rapid.T) {
				b := h.some(t)
				b.priority = priority.Draw(t, "priority")
				s.SetPriority(b.id, b.priority)
			},
			"lose": func(t *rapid.T) {
				output := rapid.Int64Range(1, 8).Draw(t, "output")
				m.lose(output)
				s.Lost(output)
			},
			"time goes by": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				s.Advance(m.now) // as the coordinator does after every change
				checkInvariants(t, s)
				if rapid.Bool().Draw(t, "nobody asks") {
					return // several changes at a time
				}
				agree(t, m, s)
				agree(t, m, m.rebuilt(t))
			},
		})
		for _, b := range m.builds {
			s.Cancel(b.id)
		}
		checkEmpty(t, s)
	})
}

// history is what happens in one run.
type history struct {
	m *model
	s *Scheduler
}

// someTime is none, now, or soon.
func (h *history) someTime(t *rapid.T) time.Time {
	if minutes := rapid.IntRange(-4, 3).Draw(t, "minutes to wait"); minutes >= 0 {
		return h.m.now.Add(time.Duration(minutes) * time.Minute)
	}
	return time.Time{}
}

// some is an unfinished build.
func (h *history) some(t *rapid.T) *modelBuild {
	var live []*modelBuild
	for _, b := range h.m.builds {
		if b.end == unfinished {
			live = append(live, b)
		}
	}
	if len(live) == 0 {
		t.Skip("no build")
	}
	return rapid.SampledFrom(live).Draw(t, "build")
}

var (
	systems   = []string{"x86_64-linux", "i686-linux", "aarch64-linux"}
	buildTags = rapid.SliceOfN(rapid.SampledFrom([]daemon.Tag{
		{Key: "agent", Value: "a"}, {Key: "agent", Value: "bee"}, {Key: "agent", Value: "nobody"},
		{Key: "size", Value: "big"}, {Key: "size", Value: "small"}, {Key: "site", Value: "here"},
	}), 0, 3)
	agentTags = rapid.SliceOfN(rapid.SampledFrom([]daemon.Tag{
		{Key: "agent", Value: "nobody"}, {Key: "size", Value: "big"}, {Key: "size", Value: "small"},
		{Key: "site", Value: "there"}, {Key: "other", Value: "x"},
	}), 0, 3)
	anAgent = rapid.Custom(func(t *rapid.T) Agent {
		agent := rapid.SampledFrom([]Agent{{ID: "a"}, {ID: "b", Name: "bee"}}).Draw(t, "agent")
		agent.Systems = rapid.SliceOfN(rapid.SampledFrom(systems), 0, 3).Draw(t, "systems")
		agent.Tags = agentTags.Draw(t, "tags")
		return agent
	})
)

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
	type answer struct {
		State     daemon.State
		BlockedBy []int64
		WaitsFor  []int64
		Rank      rank
	}
	want, got := make(map[int64]answer), make(map[int64]answer)
	ready := make(map[string]int)
	ranks := m.ranks()
	for _, b := range m.builds {
		if b.end == unfinished {
			a := answer{State: m.state(b), WaitsFor: m.waitsFor(b), Rank: ranks[b.id]}
			if !m.circles {
				a.BlockedBy = m.blockedBy(b)
			}
			want[b.id] = a
		}
		if state, known := s.State(b.id); known {
			a := answer{State: state, WaitsFor: s.WaitsFor(b.id)}
			a.Rank.Derived, a.Rank.Chain = s.Priority(b.id)
			if by := s.BlockedBy(b.id); !m.circles {
				a.BlockedBy = by
			} else if state == daemon.Blocked {
				a.State = daemon.Waiting
			}
			got[b.id] = a
		}
	}
	if !m.circles {
		agreeOnBlocks(t, m, s)
	}
	if diff := cmp.Diff(m.stuck(s), s.Stuck()); diff != "" {
		t.Fatalf("stuck (-want +got):\n%s", diff)
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
	for _, system := range systems {
		if got := s.Ready(system); got != ready[system] {
			t.Fatalf("got %d builds ready for %s, want %d", got, system, ready[system])
		}
	}
	if want, got := m.nextDue(), s.NextDue(); !got.Equal(want) {
		t.Fatalf("the next is due at %v, want %v", got, want)
	}
	checkInvariants(t, s)
}

// agreeOnBlocks compares how many builds each failure blocks.
func agreeOnBlocks(t *rapid.T, m *model, s *Scheduler) {
	want, got := make(map[string]int), make(map[string]int)
	for _, b := range m.in(daemon.Blocked) {
		for _, id := range m.blockedBy(b) {
			want[fmt.Sprint(id)]++
			want[fmt.Sprint(id, b.system)]++
		}
	}
	for _, b := range m.builds {
		if b.end != failure {
			continue
		}
		for _, system := range systems {
			if n := s.Blocks(b.id, b.makes, []string{system, "pdp11-bsd"}); n > 0 {
				got[fmt.Sprint(b.id, system)] = n
			}
		}
		if n := s.Blocks(b.id, b.makes, nil); n > 0 {
			got[fmt.Sprint(b.id)] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("how many builds failures block (-want +got):\n%s", diff)
	}
}
