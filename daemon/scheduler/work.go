package scheduler

// work is a heap of builds whose values spread, those with the shortest chains
// first. An item is the chain that the build had when it was pushed, and its
// number.
type work []int64

// push adds a build that is not there yet.
func (s *Scheduler) push(i int32) {
	b := s.builds.at(i)
	if b.queued {
		return
	}
	b.queued = true
	s.work = append(s.work, int64(b.chain)<<32|int64(i))
	for at := len(s.work) - 1; at > 0; {
		parent := (at - 1) / 2
		if s.work[parent] <= s.work[at] {
			break
		}
		s.work[parent], s.work[at] = s.work[at], s.work[parent]
		at = parent
	}
}

func (s *Scheduler) pop() int32 {
	w := s.work
	first, last := w[0], len(w)-1
	w[0] = w[last]
	w = w[:last]
	for at := 0; ; {
		child := 2*at + 1
		if child >= last {
			break
		}
		if child+1 < last && w[child+1] < w[child] {
			child++
		}
		if w[at] <= w[child] {
			break
		}
		w[at], w[child] = w[child], w[at]
		at = child
	}
	s.work = w
	i := int32(uint32(first))
	s.builds.at(i).queued = false
	return i
}
