package scheduler

import (
	"iter"
	"math"
)

// endless is the chain of a build in a circle of builds that wait for one
// another, or below one. Fixed-output derivations make circles: the sources of
// a tool may be fetched by a derivation that needs the tool, as long as
// another one fetches them without.
const endless = math.MaxInt32

// longer is the chain of a build that one with the given chain waits for.
func longer(chain int32) int32 {
	if chain == endless {
		return endless
	}
	return chain + 1
}

// link says whether a build counts in the derived priorities of others. A new
// one does not until settle has linked it.
type link uint8

const (
	linked   link = iota
	adding        // Add is under way
	fresh         // in Scheduler.fresh
	visiting      // what waits for it is being linked
)

// Priority is a build's derived priority, the highest among itself and all
// unfinished builds that wait for it, and its chain, the number of builds on
// the longest path of those. Both are zero for a build that is not known.
func (s *Scheduler) Priority(id int64) (derived int64, chain int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	i, known := s.buildByID.get(id)
	if !known {
		return 0, 0
	}
	b := s.builds.at(i)
	return b.derived, int(b.chain)
}

// SetPriority changes a build's own priority.
func (s *Scheduler) SetPriority(id int64, priority int64) {
	i, known := s.buildByID.get(id)
	if !known {
		return
	}
	b := s.builds.at(i)
	was := b.priority
	b.priority = priority
	switch {
	case b.link != linked:
		s.set(i, b, priority, b.chain)
	case priority > b.derived:
		s.set(i, b, priority, b.chain)
		s.raise(i)
	case priority < was && was == b.derived:
		s.doubt(i)
	}
}

// settle brings derived priorities and chains up to date. Changes are put off
// until somebody asks for the order of builds, so that many of them cost
// little more than one.
//
// Apart from the dirty builds, the linked ones are right among themselves at
// any time: each has the values that follow from the linked builds that wait
// for it, and raises those that it waits for.
func (s *Scheduler) settle() {
	s.lowerDirty()
	// Newest first: mostly that is from the top down.
	for n := len(s.fresh) - 1; n >= 0; n-- {
		s.linkFrom(s.fresh[n])
	}
	s.fresh = emptied(s.fresh)
}

// emptied keeps the memory of small slices only.
func emptied[T any](x []T) []T {
	if cap(x) > 10_000 {
		return nil
	}
	return x[:0]
}

// set gives a build its derived priority and chain, and its place in the
// queue.
func (s *Scheduler) set(i int32, b *build, derived int64, chain int32) {
	s.endless += int(count(chain == endless) - count(b.chain == endless))
	b.derived, b.chain = derived, chain
	if b.queue > due {
		s.fix(s.queues.at(b.queue), b.at)
	}
}

// doubt notes that a build may have lost what raised it.
func (s *Scheduler) doubt(i int32) {
	if b := s.builds.at(i); b.link == linked && !b.dirty {
		b.dirty = true
		s.dirty = append(s.dirty, i)
	}
}

// unlink takes a build that ends from those that raise others.
func (s *Scheduler) unlink(b *build) {
	if b.link == linked {
		for m, maker := range s.waitsFor(b) {
			if raises(b.derived, b.chain, maker) {
				s.doubt(m)
			}
		}
	}
	s.endless -= int(count(b.chain == endless))
	b.link, b.dirty = adding, false // no part of any work any more
}

// raises tells whether a build may owe its values to one that waits for it
// and has these.
func raises(derived int64, chain int32, maker *build) bool {
	return maker.derived == derived && maker.priority < derived || maker.chain == longer(chain)
}

// waitsFor are the linked builds that one waits for.
func (s *Scheduler) waitsFor(b *build) iter.Seq2[int32, *build] {
	return func(yield func(int32, *build) bool) {
		if b.missing == 0 {
			return
		}
		for _, at := range s.lists.get(b.needs) {
			o := s.outputs.at(at)
			if o.there() {
				continue
			}
			for _, m := range s.lists.get(o.makers) {
				if maker := s.builds.at(m); maker.link == linked && !yield(m, maker) {
					return
				}
			}
		}
	}
}

// values are what follows for a build from those that wait for it. They need
// not be looked through to the end once both reach a bound.
func (s *Scheduler) values(b *build, maxDerived int64, maxChain int32) (derived int64, chain int32) {
	derived = b.priority
	for _, at := range s.lists.get(b.makes) {
		o := s.outputs.at(at)
		if o.there() {
			continue
		}
		for _, w := range s.lists.get(o.waiters) {
			waiter := s.builds.at(w)
			if waiter.link != linked {
				continue
			}
			derived = max(derived, waiter.derived)
			chain = max(chain, longer(waiter.chain))
			if derived >= maxDerived && chain >= maxChain {
				return derived, chain
			}
		}
	}
	return derived, chain
}

// relink finds out what follows for a build from new waiters, and raises what
// it waits for.
func (s *Scheduler) relink(i int32) {
	b := s.builds.at(i)
	if b.link != linked {
		return
	}
	derived, chain := s.values(b, math.MaxInt64, endless)
	if derived > b.derived || chain > b.chain {
		s.set(i, b, max(b.derived, derived), max(b.chain, chain))
		s.raise(i)
	}
}

// raise raises whatever a build waits for to what follows from it. Builds are
// taken in the order of the chains that they had, so that each comes after
// those that wait for it, and once. Only a circle leads back to the build
// itself.
func (s *Scheduler) raise(start int32) {
	s.push(start)
	for len(s.work) > 0 {
		b := s.builds.at(s.pop())
		for m, maker := range s.waitsFor(b) {
			chain := longer(b.chain)
			if b.derived <= maker.derived && chain <= maker.chain {
				continue
			}
			if m == start && chain > maker.chain {
				chain = endless
			}
			s.push(m)
			s.set(m, maker, max(b.derived, maker.derived), max(chain, maker.chain))
		}
	}
}
