package scheduler

import "slices"

// output is a store item that unfinished builds make or need.
type output struct {
	id      int64
	failed  int64 // the newest failed build of it, see [Need.Failed]
	makers  list  // unfinished builds
	waiters list  // builds, some of which may be gone
	hopeful int32 // makers that are not blocked
	live    int32 // waiters that are not gone
	built   bool  // a build of the farm made it
	lost    bool  // and since then an agent could not get it
}

// there tells whether a build that needs the output may start: it was built
// and can be had, or no build of the farm has to do with it.
func (o *output) there() bool {
	return o.built && !o.lost || o.makers.n == 0 && o.failed == 0
}

// hopeless tells whether no build that the farm knows will make the output:
// it failed, or its builds need such outputs themselves.
func (o *output) hopeless() bool { return !o.there() && o.hopeful == 0 }

// Lost takes note that an agent could not get an output. If a build made it
// once, that does not count any more: builds that need it wait for a build
// that makes it again, if there is one, and are blocked if that fails. As
// long as there is none they may start, since the next agent may be luckier.
// A success ends this.
func (s *Scheduler) Lost(id int64) {
	if i, known := s.outputByID.get(id); known && !s.outputs.at(i).lost {
		s.reveal(i, func(o *output) { o.lost = true })
	}
}

// output finds an output, or makes one.
func (s *Scheduler) output(id int64) int32 {
	if i, known := s.outputByID.get(id); known {
		return i
	}
	i, o := s.outputs.add()
	o.id = id
	s.outputByID.set(id, i)
	return i
}

// tell hears from the database what became of an output. While builds need
// the output that is nothing new, if the caller told of everything that
// happened.
func (s *Scheduler) tell(i int32, need Need) {
	o := s.outputs.at(i)
	switch {
	case o.built == need.Built && o.lost == need.Lost && o.failed == need.Failed:
	case o.live == 0: // nobody waits for its makers
		o.built, o.lost, o.failed = need.Built, need.Lost, need.Failed
	default:
		s.reveal(i, func(o *output) { o.built, o.lost, o.failed = need.Built, need.Lost, need.Failed })
	}
}

// reveal changes what is known of an output, apart from any build that comes
// or goes. Whoever needs it may then wait for its makers, or not any more.
func (s *Scheduler) reveal(i int32, do func(*output)) {
	s.settle()
	s.blockers = nil
	o := s.outputs.at(i)
	was := o.status()
	do(o)
	s.spread(i, was)
	for _, m := range s.lists.get(o.makers) {
		if o.there() {
			s.doubt(m)
		} else {
			s.relink(m)
		}
	}
}

// status is what those who wait for an output see of it.
type status struct{ there, hopeless bool }

func (o *output) status() status { return status{o.there(), o.hopeless()} }

// step is a change of hope for an output that is still to be told to those
// who wait for it.
type step struct{ output, blocked int32 }

// spread counts, after a change to an output, what its waiters miss and are
// blocked by. Those that thereby get blocked or free may block or free the
// builds above them, and so on: one failure costs as much as there is above
// it, once.
func (s *Scheduler) spread(i int32, was status) {
	o := s.outputs.at(i)
	is := o.status()
	missing := count(was.there) - count(is.there)
	blocked := count(is.hopeless) - count(was.hopeless)
	if missing == 0 && blocked == 0 {
		return
	}
	for _, w := range s.lists.get(o.waiters) {
		b := s.builds.at(w)
		if b.gone {
			continue
		}
		free := b.missing == 0
		b.missing += missing
		if free != (b.missing == 0) {
			s.place(w)
		}
		s.block(b, blocked)
	}
	for len(s.steps) > 0 {
		next := s.steps[len(s.steps)-1]
		s.steps = s.steps[:len(s.steps)-1]
		for _, w := range s.lists.get(s.outputs.at(next.output).waiters) {
			if b := s.builds.at(w); !b.gone {
				s.block(b, next.blocked)
			}
		}
	}
}

// block adds to what blocks a build, and leaves the consequences to spread.
func (s *Scheduler) block(b *build, n int32) {
	was := b.blocked > 0
	b.blocked += n
	is := b.blocked > 0
	if was == is {
		return
	}
	s.recount(b)
	for _, i := range s.lists.get(b.makes) {
		o := s.outputs.at(i)
		hopeless := o.hopeless()
		o.hopeful += count(was) - count(is)
		if o.hopeless() != hopeless {
			s.steps = append(s.steps, step{i, count(o.hopeless()) - count(hopeless)})
		}
	}
}

func count(is bool) int32 {
	if is {
		return 1
	}
	return 0
}

// forget drops an output that no unfinished build has to do with.
func (s *Scheduler) forget(i int32) {
	if o := s.outputs.at(i); o.live == 0 && o.makers.n == 0 {
		s.outputByID.drop(o.id)
		s.outputs.remove(i)
	}
}

// addNeed makes a build wait for an output, if it is not there.
func (s *Scheduler) addNeed(i int32, b *build, need Need) {
	at := s.output(need.Output)
	s.tell(at, need)
	o := s.outputs.at(at)
	s.lists.push(&b.needs, at)
	s.lists.push(&o.waiters, i)
	o.live++
	b.missing += count(!o.there())
	b.blocked += count(o.hopeless())
}

// dropNeed counts one waiter less, which is marked as gone already. The list
// is swept when half of it is gone, so that a popular output costs a constant
// for each of its waiters. Until then the number of a gone build is not given
// out again.
func (s *Scheduler) dropNeed(i int32) {
	o := s.outputs.at(i)
	o.live--
	if o.live*2 < o.waiters.n {
		s.lists.keep(&o.waiters, func(w int32) bool {
			b := s.builds.at(w)
			if !b.gone {
				return true
			}
			if b.named--; b.named == 0 {
				s.builds.remove(w)
			}
			return false
		})
	}
}

func (s *Scheduler) addMake(i int32, b *build, id int64) {
	at := s.output(id)
	o := s.outputs.at(at)
	if slices.Contains(s.lists.get(o.makers), i) {
		return
	}
	was := o.status()
	s.lists.push(&b.makes, at)
	s.lists.push(&o.makers, i)
	o.hopeful += count(b.blocked == 0)
	s.spread(at, was)
}

// dropMake takes a build from the makers of an output and records how it
// ended.
func (s *Scheduler) dropMake(at, i int32, b *build, outcome func(*output)) {
	o := s.outputs.at(at)
	was := o.status()
	s.lists.keep(&o.makers, func(m int32) bool { return m != i })
	o.hopeful -= count(b.blocked == 0)
	outcome(o)
	s.spread(at, was)
	if o.there() && !was.there {
		for _, m := range s.lists.get(o.makers) {
			s.doubt(m) // nobody waits for it any more
		}
	}
}
