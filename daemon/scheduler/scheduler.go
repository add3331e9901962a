package scheduler

import (
	"slices"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A Scheduler knows all unfinished builds.
type Scheduler struct {
	builds     slab[build]
	buildByID  ids
	outputs    slab[output]
	outputByID ids
	lists      lists

	queues     slab[queue] // the first two are noQueue and due
	systems    []system
	systemByID map[string]int32
	notBefore  map[int32]time.Time // of the deferred builds
	tags       tagSets
	agents     map[string][]string // the keys of each agent's tags

	steps []step // of spread; empty between calls

	// mu guards what follows among those who only ask, and also the derived
	// priorities and chains of builds, their order in queues, and system.ready.
	mu       sync.Mutex
	endless  int               // builds with an endless chain
	blockers map[int32][]int64 // what BlockedBy found out; nil after a change
	fresh    []int32           // builds that are not linked yet
	dirty    []int32           // linked builds that may have lost what raised them
	work     work
	frames   []frame
	doubts   []int32
}

// New is a scheduler that knows no builds.
func New() *Scheduler {
	s := &Scheduler{
		systemByID: make(map[string]int32),
		notBefore:  make(map[int32]time.Time),
		agents:     make(map[string][]string),
		tags:       newTagSets(),
	}
	s.queues.add()
	s.queues.add()
	return s
}

// Add makes an unfinished build known. A build that is known stays as it is.
func (s *Scheduler) Add(in Build) {
	if _, known := s.buildByID.get(in.ID); known {
		return
	}
	s.blockers = nil
	i, b := s.builds.add()
	b.id, b.priority, b.derived = in.ID, in.Priority, in.Priority
	b.system, b.tags, b.held = s.system(in.System), s.tags.add(in.Tags), in.Agent != ""
	b.link = adding
	s.buildByID.set(in.ID, i)
	s.postpone(i, in.NotBefore)
	for _, need := range in.Needs {
		if !slices.Contains(in.Makes, need.Output) { // two fixed-output derivations with the same output
			s.addNeed(i, b, need)
		}
	}
	for _, id := range in.Makes {
		s.addMake(i, b, id)
	}
	s.place(i)
	b.link = fresh
	s.fresh = append(s.fresh, i)
}

// Finish forgets a build that ended, and frees or blocks what waits for its
// outputs.
func (s *Scheduler) Finish(id int64, success bool) {
	s.remove(id, func(o *output) {
		if success {
			o.built, o.lost, o.failed = true, false, 0
		} else if !o.built || o.lost {
			o.failed = max(o.failed, id) // as the database has it
		}
	})
}

// Cancel forgets a build that nobody wants any more.
func (s *Scheduler) Cancel(id int64) { s.remove(id, func(*output) {}) }

func (s *Scheduler) remove(id int64, outcome func(*output)) {
	i, known := s.buildByID.get(id)
	if !known {
		return
	}
	s.blockers = nil
	b := s.builds.at(i)
	s.unlink(b)
	s.buildByID.drop(id)
	b.gone, b.named = true, b.needs.n
	s.place(i)
	s.postpone(i, time.Time{})
	s.tags.drop(b.tags)
	needs, makes := b.needs, b.makes
	for _, at := range s.lists.get(makes) {
		s.dropMake(at, i, b, outcome)
		s.forget(at)
	}
	if needs.n == 0 {
		s.builds.remove(i)
	}
	for _, at := range s.lists.get(needs) { // the last of which removes b
		s.dropNeed(at)
		s.forget(at)
	}
	s.lists.drop(&makes)
	s.lists.drop(&needs)
	if len(s.fresh)+len(s.dirty) > 4*s.buildByID.n+10_000 {
		s.settle() // it would do so once for many, but nobody asks
	}
}

// State is Deferred, Waiting, Blocked, Ready or Allocated; known is false for
// a build that is not among the unfinished.
func (s *Scheduler) State(id int64) (state daemon.State, known bool) {
	i, known := s.buildByID.get(id)
	if !known {
		return "", false
	}
	return standings[s.builds.at(i).counted], true
}

// Len is the number of unfinished builds.
func (s *Scheduler) Len() int { return s.buildByID.n }
