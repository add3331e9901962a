package scheduler

import "slices"

// maxBlockers bounds what BlockedBy lists. On a farm where thousands of
// builds failed, what stands at the top is blocked by most of them.
const maxBlockers = 100

// BlockedBy lists the failed builds that keep a build from ever starting,
// sorted: those at the beginning of each chain of inputs, the oldest ones if
// there are more than a hundred. It is empty as long as there is hope.
//
// What it finds out on the way is kept until a build comes or goes, so that a
// page of blocked builds costs about as much as the most blocked of them.
func (s *Scheduler) BlockedBy(id int64) []int64 {
	b := s.builds[id]
	if b == nil || b.blocked == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blockers == nil {
		s.blockers = make(map[*build][]int64)
	}
	return slices.Clone(s.findBlockers(b))
}

func (s *Scheduler) findBlockers(b *build) []int64 {
	if failed, known := s.blockers[b]; known {
		return failed
	}
	s.blockers[b] = nil // should outputs form a circle
	var failed []int64
	for _, o := range b.needs {
		if !o.hopeless() {
			continue
		}
		if len(o.makers) == 0 {
			failed = union(failed, []int64{o.failed})
		}
		for _, maker := range o.makers {
			failed = union(failed, s.findBlockers(maker))
		}
	}
	s.blockers[b] = failed
	return failed
}

// union is the first numbers of two sorted lists, which it may share.
func union(a, b []int64) []int64 {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || slices.Equal(a, b):
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.Clip(all[:min(len(all), maxBlockers)])
}

// WaitsFor lists the unfinished builds that make what a build still needs,
// sorted.
func (s *Scheduler) WaitsFor(id int64) []int64 {
	b := s.builds[id]
	if b == nil {
		return nil
	}
	var makers []int64
	for _, o := range b.needs {
		if o.there() {
			continue
		}
		for _, maker := range o.makers {
			makers = append(makers, maker.ID)
		}
	}
	slices.Sort(makers)
	return slices.Compact(makers)
}
