package scheduler

import "slices"

// output is a store item that unfinished builds make or need.
type output struct {
	id      int64
	built   bool     // a build of the farm made it
	failed  int64    // the last failed build of it, unless it was built
	makers  []*build // unfinished
	waiters []*build // some of them may be gone
	live    int      // waiters that are not gone
}

// there tells whether a build that needs the output may start: it was built,
// or no build of the farm has to do with it.
func (o *output) there() bool { return o.built || len(o.makers) == 0 && o.failed == 0 }

func (s *Scheduler) output(id int64) *output {
	o := s.outputs[id]
	if o == nil {
		o = &output{id: id}
		s.outputs[id] = o
	}
	return o
}

// change does something to an output; if it thereby comes or goes, what
// waits for it moves.
func (s *Scheduler) change(o *output, do func()) {
	was := o.there()
	do()
	is := o.there()
	if was == is {
		return
	}
	step := 1
	if is {
		step = -1
	}
	for _, b := range o.waiters {
		if !b.gone {
			b.missing += step
			s.place(b)
		}
	}
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

func (o *output) dropMaker(b *build) {
	o.makers = slices.DeleteFunc(o.makers, func(m *build) bool { return m == b })
}
