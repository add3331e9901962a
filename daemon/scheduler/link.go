package scheduler

import "math"

// frame is where linkFrom stands with a build: which of the builds that wait
// for it is next.
type frame struct{ build, output, waiter int32 }

// linkFrom links a fresh build after the fresh ones that wait for it, and so
// on upwards: then each finds all that raises it, and seldom raises what is
// below, which is not linked yet. Linking from below would raise everything
// again for each build on top.
func (s *Scheduler) linkFrom(i int32) {
	if s.builds.at(i).link != fresh {
		return // it was linked on the way, or is gone
	}
	s.visit(i)
	for len(s.frames) > 0 {
		f := &s.frames[len(s.frames)-1]
		b := s.builds.at(f.build)
		if w := s.nextFresh(b, f); w >= 0 {
			s.visit(w)
			continue
		}
		b.link = linked
		derived, chain := s.values(b, math.MaxInt64, endless)
		s.set(f.build, b, derived, chain)
		s.raise(f.build)
		s.frames = s.frames[:len(s.frames)-1]
	}
	s.frames = emptied(s.frames)
}

func (s *Scheduler) visit(i int32) {
	s.builds.at(i).link = visiting
	s.frames = append(s.frames, frame{build: i})
}

// nextFresh is the next fresh build that waits for one; -1 if there is none.
func (s *Scheduler) nextFresh(b *build, f *frame) int32 {
	for outputs := s.lists.get(b.makes); int(f.output) < len(outputs); f.output, f.waiter = f.output+1, 0 {
		o := s.outputs.at(outputs[f.output])
		if o.there() {
			continue
		}
		for waiters := s.lists.get(o.waiters); int(f.waiter) < len(waiters); {
			w := waiters[f.waiter]
			f.waiter++
			if s.builds.at(w).link == fresh {
				return w
			}
		}
	}
	return -1
}
