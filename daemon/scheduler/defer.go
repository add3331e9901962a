package scheduler

import "time"

// postpone sets the time before which a build is not handed out; zero if there
// is none. The caller then places it.
func (s *Scheduler) postpone(i int32, until time.Time) {
	b := s.builds.at(i)
	if b.deferred = !until.IsZero(); b.deferred {
		s.notBefore[i] = until
	} else {
		delete(s.notBefore, i)
	}
}

// Release takes a build from its agent and puts it back into the queue, from
// where it is not handed out before the given time, if that is not zero.
func (s *Scheduler) Release(id int64, notBefore time.Time) {
	i, known := s.buildByID.get(id)
	if !known {
		return
	}
	b := s.builds.at(i)
	if b.queue != noQueue {
		s.leave(i, b) // its place there depends on the time
	}
	b.held = false
	s.postpone(i, notBefore)
	s.place(i)
}

// Advance moves the builds whose time has come by now to the ready ones.
func (s *Scheduler) Advance(now time.Time) {
	for q := s.queues.at(due); len(q.builds) > 0; {
		i := q.builds[0]
		if s.notBefore[i].After(now) {
			return
		}
		s.leave(i, s.builds.at(i))
		s.postpone(i, time.Time{})
		s.place(i)
	}
}

// NextDue is when Advance has something to do; zero if nothing is deferred.
func (s *Scheduler) NextDue() time.Time {
	if q := s.queues.at(due); len(q.builds) > 0 {
		return s.notBefore[q.builds[0]]
	}
	return time.Time{}
}
