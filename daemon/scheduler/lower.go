package scheduler

import "math"

// lowerDirty brings down what lost its reason to be high. As in raise, builds
// are taken in the order of the chains that they had, so that whatever waits
// for a build is right when its turn comes; those that do not change end the
// matter.
func (s *Scheduler) lowerDirty() {
	for _, i := range s.dirty {
		if b := s.builds.at(i); b.dirty {
			b.dirty = false
			s.push(i)
		}
	}
	s.dirty = emptied(s.dirty)
	circles := false
	for len(s.work) > 0 {
		if chain := s.work[0] >> 32; chain == endless && !circles {
			s.doubtCircles() // only such are left
			circles = true
		}
		s.lower(s.pop())
	}
	for _, i := range s.doubts {
		s.builds.at(i).doubted = false
	}
	s.doubts = emptied(s.doubts)
}

func (s *Scheduler) lower(i int32) {
	b := s.builds.at(i)
	maxDerived := b.derived
	if len(s.doubts) > 0 {
		maxDerived = math.MaxInt64 // it may rise again
	}
	derived, chain := s.values(b, maxDerived, b.chain)
	wasDerived, wasChain := b.derived, b.chain
	if derived == wasDerived && chain == wasChain {
		return
	}
	for m, maker := range s.waitsFor(b) {
		if derived > maker.derived || raises(wasDerived, wasChain, maker) {
			s.push(m)
		}
	}
	s.set(i, b, derived, chain)
}

// doubtCircles deals with priorities in circles, which would hold each other
// up for ever: those in work, and all that may owe theirs to them, fall back
// to their own, and lower then raises them as far as somebody else does. An
// endless chain needs no such care, since only a circle can hold it up.
func (s *Scheduler) doubtCircles() {
	doubt := func(i int32, b *build) {
		if !b.doubted && b.priority < b.derived {
			b.doubted = true
			s.doubts = append(s.doubts, i)
		}
	}
	for _, item := range s.work {
		i := int32(uint32(item))
		doubt(i, s.builds.at(i))
	}
	for n := 0; n < len(s.doubts); n++ {
		b := s.builds.at(s.doubts[n])
		for m, maker := range s.waitsFor(b) {
			if maker.derived == b.derived {
				doubt(m, maker)
			}
		}
	}
	for _, i := range s.doubts {
		b := s.builds.at(i)
		s.push(i)
		s.set(i, b, b.priority, b.chain)
	}
}
