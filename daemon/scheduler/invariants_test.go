package scheduler

import (
	"slices"
	"testing"
)

// checkInvariants recomputes whatever the scheduler keeps for speed.
func checkInvariants(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Scheduler) {
	t.Helper()
	queued := make(map[*build]*queue)
	for system, q := range s.ready {
		checkQueue(t, q)
		for _, b := range q.builds {
			queued[b] = q
			if b.System != system {
				t.Fatalf("build %d of %s stands in the queue of %s", b.ID, b.System, system)
			}
		}
	}
	checkQueue(t, s.due)
	for _, b := range s.due.builds {
		queued[b] = s.due
	}
	for b, q := range queued {
		if s.builds[b.ID] != b || b.queue != q {
			t.Fatalf("build %d stands in a queue and does not know", b.ID)
		}
	}
	waiters := make(map[*output]int)
	makers := make(map[*output]int)
	hopeful := make(map[*output]int)
	for id, b := range s.builds {
		if b.ID != id || b.gone {
			t.Fatalf("build %d is kept as %d, gone: %v", b.ID, id, b.gone)
		}
		missing, blocked := 0, 0
		for _, o := range b.needs {
			waiters[o]++
			if s.outputs[o.id] != o || !slices.Contains(o.waiters, b) {
				t.Fatalf("output %d does not know that build %d waits for it", o.id, id)
			}
			if !o.there() {
				missing++
			}
			if o.hopeless() {
				blocked++
			}
		}
		for _, o := range b.makes {
			makers[o]++
			if b.blocked == 0 {
				hopeful[o]++
			}
			if s.outputs[o.id] != o || !slices.Contains(o.makers, b) {
				t.Fatalf("output %d does not know that build %d makes it", o.id, id)
			}
		}
		if b.missing != missing || b.blocked != blocked {
			t.Fatalf("build %d misses %d outputs, %d of them for ever, want %d and %d", id, b.missing, b.blocked, missing, blocked)
		}
		var want *queue
		if missing == 0 && b.Agent == "" {
			if want = s.due; b.NotBefore.IsZero() {
				want = s.ready[b.System]
			}
		}
		if queued[b] != want {
			t.Fatalf("build %d stands in the wrong queue", id)
		}
	}
	for id, o := range s.outputs {
		live := 0
		for _, b := range o.waiters {
			if !b.gone {
				live++
			}
		}
		switch {
		case o.id != id:
			t.Fatalf("output %d is kept as %d", o.id, id)
		case live != waiters[o] || o.live != live:
			t.Fatalf("output %d has %d waiters and counts %d, want %d", id, live, o.live, waiters[o])
		case len(o.makers) != makers[o]:
			t.Fatalf("output %d has %d makers, want %d", id, len(o.makers), makers[o])
		case o.hopeful != hopeful[o]:
			t.Fatalf("output %d has %d makers that are not blocked, want %d", id, o.hopeful, hopeful[o])
		case live+len(o.makers) == 0:
			t.Fatalf("output %d is kept for nobody", id)
		case len(o.waiters) > 2*live:
			t.Fatalf("output %d has %d waiters, of which only %d are not gone", id, len(o.waiters), live)
		case o.built && o.failed != 0:
			t.Fatalf("output %d was built, and failed in build %d", id, o.failed)
		}
	}
}

func checkQueue(t interface {
	Helper()
	Fatalf(string, ...any)
}, q *queue) {
	t.Helper()
	for i, b := range q.builds {
		if b.at != i {
			t.Fatalf("build %d stands at %d and believes at %d", b.ID, i, b.at)
		}
		if parent := (i - 1) / 2; i > 0 && q.less(b, q.builds[parent]) {
			t.Fatalf("build %d stands behind build %d and is before it", b.ID, q.builds[parent].ID)
		}
	}
	if free := q.builds[len(q.builds):cap(q.builds)]; slices.ContainsFunc(free, func(b *build) bool { return b != nil }) {
		t.Fatalf("a queue keeps builds alive that have left it")
	}
}

func TestNothingIsKeptWhenAllIsDone(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200, 100), makes(3, 300, 100, 200), makes(4, 100, 300))
	for _, id := range []int64{2, 1, 4, 3} {
		s.Finish(id, id%2 == 0)
		checkInvariants(t, s)
	}
	if len(s.builds)+len(s.outputs) != 0 {
		t.Fatalf("%d builds and %d outputs are left, want none", len(s.builds), len(s.outputs))
	}
}
