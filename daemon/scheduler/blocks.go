package scheduler

import "slices"

// Blocks counts the builds that the failure of one build blocks: those that
// BlockedBy says are blocked by it, or would say if it listed all that block a
// build. Outputs are those that the failed build should have made. Builds of
// other systems than those named are not counted, unless none is named.
//
// It costs as much as there is above the failure.
func (s *Scheduler) Blocks(failed int64, outputs []int64, systems []string) int {
	var todo []int32 // outputs that will not be made
	for _, id := range outputs {
		if i, known := s.outputByID.get(id); known {
			if o := s.outputs.at(i); o.failed == failed && o.makers.n == 0 && o.hopeless() && o.live > 0 {
				todo = append(todo, i)
			}
		}
	}
	if len(todo) == 0 {
		return 0
	}
	wanted := make([]bool, len(s.systems))
	for name, number := range s.systemByID {
		wanted[number] = len(systems) == 0 || slices.Contains(systems, name)
	}
	blocks, seen := 0, make([]uint64, s.builds.used/64+1)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, w := range s.lists.get(s.outputs.at(i).waiters) {
			b, bit := s.builds.at(w), uint64(1)<<(w%64)
			if b.gone || seen[w/64]&bit != 0 {
				continue
			}
			seen[w/64] |= bit
			if !b.held && wanted[b.system] {
				blocks++
			}
			for _, at := range s.lists.get(b.makes) {
				if s.outputs.at(at).hopeless() {
					todo = append(todo, at)
				}
			}
		}
	}
	return blocks
}
