package scheduler

import "slices"

// Stuck are the builds that wait for one another in a circle out of which no
// build leads, and those that they need which only wait for such; sorted. Fixed
// outputs make circles, see endless; as long as another build makes the same
// output without the circle, or agents hold a build of it, there is a way out.
//
// It costs nothing while there is no circle at all.
func (s *Scheduler) Stuck() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if s.endless == 0 {
		return nil
	}
	// Who makes what a build in a circle needs is in a circle or below one as
	// well, so that these are all to look at.
	left := make(map[int32]int32) // builds: needs that nobody will make, as far as is known
	var moving []int32            // builds that will end
	for _, i := range s.buildByID.all() {
		b := s.builds.at(i)
		switch {
		case b.chain != endless:
		case b.held || b.missing == 0:
			moving = append(moving, i)
		default:
			left[i] = b.missing
		}
	}
	made := make(map[int32]bool) // outputs
	for len(moving) > 0 {
		b := s.builds.at(moving[len(moving)-1])
		moving = moving[:len(moving)-1]
		for _, at := range s.lists.get(b.makes) {
			o := s.outputs.at(at)
			if o.there() || made[at] {
				continue
			}
			made[at] = true
			for _, w := range s.lists.get(o.waiters) {
				if n, waits := left[w]; waits && n > 1 {
					left[w] = n - 1
				} else if waits {
					delete(left, w)
					moving = append(moving, w)
				}
			}
		}
	}
	var stuck []int64
	for i := range left {
		if b := s.builds.at(i); b.blocked == 0 { // else a failure is the reason
			stuck = append(stuck, b.id)
		}
	}
	slices.Sort(stuck)
	return stuck
}
