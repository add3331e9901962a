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
	i, known := s.buildByID.get(id)
	if !known || s.builds.at(i).blocked == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blockers == nil {
		s.blockers = make(map[int32][]int64)
	}
	s.findBlockers(i)
	return slices.Clone(s.blockers[i])
}

// findBlockers finds the blockers of a build after those of the builds of its
// hopeless inputs.
func (s *Scheduler) findBlockers(i int32) {
	todo := []int32{i} // the complement of a number once its inputs are on top of it
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if i < 0 {
			s.blockers[^i] = s.unionOfInputs(s.builds.at(^i))
			continue
		}
		if _, known := s.blockers[i]; known {
			continue
		}
		s.blockers[i] = nil // should builds form a circle
		todo = append(todo, ^i)
		for _, at := range s.lists.get(s.builds.at(i).needs) {
			if o := s.outputs.at(at); o.hopeless() {
				todo = append(todo, s.lists.get(o.makers)...)
			}
		}
	}
}

func (s *Scheduler) unionOfInputs(b *build) (failed []int64) {
	for _, at := range s.lists.get(b.needs) {
		o := s.outputs.at(at)
		if !o.hopeless() {
			continue
		}
		if o.makers.n == 0 {
			failed = union(failed, []int64{o.failed})
		}
		for _, maker := range s.lists.get(o.makers) {
			failed = union(failed, s.blockers[maker])
		}
	}
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
	i, known := s.buildByID.get(id)
	if !known {
		return nil
	}
	var makers []int64
	for _, at := range s.lists.get(s.builds.at(i).needs) {
		o := s.outputs.at(at)
		if o.there() {
			continue
		}
		for _, maker := range s.lists.get(o.makers) {
			makers = append(makers, s.builds.at(maker).id)
		}
	}
	slices.Sort(makers)
	return slices.Compact(makers)
}

// Required tells whether unfinished builds wait for what a build makes, other
// than those in except.
func (s *Scheduler) Required(id int64, except map[int64]bool) bool {
	i, known := s.buildByID.get(id)
	if !known {
		return false
	}
	for _, at := range s.lists.get(s.builds.at(i).makes) {
		o := s.outputs.at(at)
		if o.there() {
			continue
		}
		for _, w := range s.lists.get(o.waiters) {
			if b := s.builds.at(w); !b.gone && !except[b.id] {
				return true
			}
		}
	}
	return false
}
