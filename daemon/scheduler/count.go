package scheduler

import (
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
)

// standing is a build's state as a small number, an index of standings.
type standing uint8

const (
	nowhere standing = iota // it is gone
	deferred
	waiting
	blocked
	ready
	allocated
)

var standings = [...]daemon.State{deferred: daemon.Deferred, waiting: daemon.Waiting, blocked: daemon.Blocked,
	ready: daemon.Ready, allocated: daemon.Allocated}

func (b *build) standing() standing {
	switch {
	case b.gone:
		return nowhere
	case b.held:
		return allocated
	case b.blocked > 0:
		return blocked
	case b.missing > 0:
		return waiting
	case b.deferred:
		return deferred
	}
	return ready
}

// recount keeps the counts right after a change to what a build's state is
// made of.
func (s *Scheduler) recount(b *build) {
	now := b.standing()
	if now == b.counted {
		return
	}
	sys := &s.systems[b.system]
	sys.counts[b.counted]--
	sys.counts[now]++
	b.counted = now
	if now == ready {
		s.pushReady(sys, b.id)
	}
}

// Counts are the numbers of unfinished builds by their state, as State tells
// it, for every such state.
func (s *Scheduler) Counts() map[daemon.State]int {
	counts := make(map[daemon.State]int)
	for at := deferred; at <= allocated; at++ {
		counts[standings[at]] = 0
		for _, sys := range s.systems {
			counts[standings[at]] += int(sys.counts[at])
		}
	}
	return counts
}

// Queue is the same by system, without those of which there are none.
func (s *Scheduler) Queue() map[string]map[daemon.State]int {
	counts := make(map[string]map[daemon.State]int)
	for name, in := range s.systemByID {
		of := make(map[daemon.State]int)
		for i, n := range s.systems[in].counts {
			if standing(i) != nowhere && n > 0 {
				of[standings[i]] = int(n)
			}
		}
		if len(of) > 0 {
			counts[name] = of
		}
	}
	return counts
}

// pushReady remembers a build that became ready in a heap of numbers. What
// stops being ready stays there until somebody looks, or until most of the
// heap is of that kind.
func (s *Scheduler) pushReady(sys *system, id int64) {
	if len(sys.ready) > 2*int(sys.counts[ready])+1000 {
		sys.ready = slices.DeleteFunc(sys.ready, func(id int64) bool { return !s.isReady(id) })
		slices.Sort(sys.ready) // which is a heap
		sys.ready = slices.Compact(sys.ready)
	}
	h := append(sys.ready, id)
	for at := len(h) - 1; at > 0 && h[at] < h[(at-1)/2]; at = (at - 1) / 2 {
		h[at], h[(at-1)/2] = h[(at-1)/2], h[at]
	}
	sys.ready = h
}

func (s *Scheduler) isReady(id int64) bool {
	i, known := s.buildByID.get(id)
	return known && s.builds.at(i).counted == ready
}

// OldestReady is, of each system that has ready builds, the one with the
// lowest number, which was submitted first.
func (s *Scheduler) OldestReady() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := make(map[string]int64)
	for name, in := range s.systemByID {
		sys := &s.systems[in]
		for len(sys.ready) > 0 && !s.isReady(sys.ready[0]) {
			sys.popReady()
		}
		if len(sys.ready) > 0 {
			oldest[name] = sys.ready[0]
		}
	}
	return oldest
}

func (sys *system) popReady() {
	h := sys.ready
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for at := 0; ; {
		child := 2*at + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1] < h[child] {
			child++
		}
		if h[at] <= h[child] {
			break
		}
		h[at], h[child] = h[child], h[at]
		at = child
	}
	sys.ready = h
}
