package scheduler

import "slices"

// BlockedBy lists the failed builds that keep a build from ever starting,
// sorted: those at the beginning of each chain of inputs. It is empty as long
// as there is hope.
func (s *Scheduler) BlockedBy(id int64) []int64 {
	b := s.builds[id]
	if b == nil || b.missing == 0 {
		return nil
	}
	return blockers(b, make(map[*build][]int64))
}

// blockers is BlockedBy, remembering what it found out in known.
func blockers(b *build, known map[*build][]int64) []int64 {
	if failed, ok := known[b]; ok {
		return failed
	}
	known[b] = nil // should outputs form a circle, it is not what blocks
	var failed []int64
	for _, o := range b.needs {
		if !o.there() {
			failed = append(failed, o.blockers(known)...)
		}
	}
	slices.Sort(failed)
	failed = slices.Compact(failed)
	known[b] = failed
	return failed
}

// blockers lists what failed before an output that is not there; nothing if
// one of its builds can still make it.
func (o *output) blockers(known map[*build][]int64) []int64 {
	if len(o.makers) == 0 {
		return []int64{o.failed}
	}
	var failed []int64
	for _, maker := range o.makers {
		behind := blockers(maker, known)
		if len(behind) == 0 {
			return nil
		}
		failed = append(failed, behind...)
	}
	return failed
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
