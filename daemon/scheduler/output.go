package scheduler

import "slices"

// output is a store item that unfinished builds make or need.
type output struct {
	id      int64
	built   bool     // a build of the farm made it
	failed  int64    // the newest failed build of it, unless it was built
	makers  []*build // unfinished
	hopeful int      // makers that are not blocked
	waiters []*build // some of them may be gone
	live    int      // waiters that are not gone
}

// there tells whether a build that needs the output may start: it was built,
// or no build of the farm has to do with it.
func (o *output) there() bool { return o.built || len(o.makers) == 0 && o.failed == 0 }

// hopeless tells whether no build that the farm knows will make the output:
// it failed, or its builds need such outputs themselves.
func (o *output) hopeless() bool { return !o.there() && o.hopeful == 0 }

func (s *Scheduler) output(id int64) *output {
	o := s.outputs[id]
	if o == nil {
		o = &output{id: id}
		s.outputs[id] = o
	}
	return o
}

// change does something to an output; if it thereby comes or goes, or hope
// for it does, what waits for it moves.
func (s *Scheduler) change(o *output, do func()) {
	there, hopeless := o.there(), o.hopeless()
	do()
	missing := count(there) - count(o.there())
	blocked := count(o.hopeless()) - count(hopeless)
	if missing == 0 && blocked == 0 {
		return
	}
	for _, b := range o.waiters {
		if !b.gone {
			s.count(b, missing, blocked)
		}
	}
}

// count adds to what a build misses and is blocked by. When it thereby gets
// blocked or free, so may the builds above it, and so on: one failure costs as
// much as there is above it, once.
func (s *Scheduler) count(b *build, missing, blocked int) {
	was := b.blocked > 0
	b.missing += missing
	b.blocked += blocked
	if missing != 0 {
		s.place(b)
	}
	is := b.blocked > 0
	if was == is {
		return
	}
	for _, o := range b.makes {
		s.change(o, func() { o.hopeful += count(was) - count(is) })
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// forget drops an output that no unfinished build has to do with.
func (s *Scheduler) forget(o *output) {
	if o.live == 0 && len(o.makers) == 0 {
		delete(s.outputs, o.id)
	}
}

func (o *output) addWaiter(b *build) {
	o.waiters = append(o.waiters, b)
	o.live++
}

// dropWaiter counts one waiter less, which is marked as gone already. The
// slice is swept when half of it is gone, so that a popular output costs a
// constant for each of its waiters.
func (o *output) dropWaiter() {
	o.live--
	if o.live*2 < len(o.waiters) {
		o.waiters = slices.DeleteFunc(o.waiters, func(b *build) bool { return b.gone })
	}
}

func (o *output) addMaker(b *build) {
	o.makers = append(o.makers, b)
	o.hopeful += count(b.blocked == 0)
}

func (o *output) dropMaker(b *build) {
	o.makers = slices.DeleteFunc(o.makers, func(m *build) bool { return m == b })
	o.hopeful -= count(b.blocked == 0)
}
