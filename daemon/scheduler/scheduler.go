package scheduler

import (
	"slices"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A Build is an unfinished build as it comes from the database.
type Build struct {
	ID        int64
	System    string
	Priority  int64
	Makes     []int64 // outputs
	Needs     []Need
	NotBefore time.Time // not handed out earlier
	Agent     string    // the agent that holds it; may be empty
}

// A Need is an output that a build needs, with what the finished builds of
// the farm say of it.
type Need struct {
	Output int64
	Built  bool
	Failed int64 // the newest failed build of it; zero if there is none or if it was built
}

// A Scheduler knows all unfinished builds.
type Scheduler struct {
	builds  map[int64]*build
	outputs map[int64]*output
	ready   map[string]*queue // by system: may start now
	due     *queue            // have their inputs, but not before a time

	mu       sync.Mutex         // guards blockers among those who only ask
	blockers map[*build][]int64 // what BlockedBy found out; nil after a change
}

// New is a scheduler that knows no builds.
func New() *Scheduler {
	return &Scheduler{
		builds:  make(map[int64]*build),
		outputs: make(map[int64]*output),
		ready:   make(map[string]*queue),
		due:     &queue{less: earlier},
	}
}

// build is a build with its place among the others.
type build struct {
	Build
	needs   []*output
	makes   []*output
	missing int    // needs that are not there
	blocked int    // needs that are hopeless, see [output.hopeless]
	queue   *queue // the queue that it stands in, or nil
	at      int    // its index there
	gone    bool   // finished or canceled
}

// Add makes an unfinished build known. A build that is known stays as it is.
func (s *Scheduler) Add(in Build) {
	if s.builds[in.ID] != nil {
		return
	}
	s.blockers = nil
	b := &build{Build: in}
	b.Build.Makes, b.Build.Needs = nil, nil // kept as pointers
	s.builds[in.ID] = b
	for _, need := range in.Needs {
		if slices.Contains(in.Makes, need.Output) {
			continue // two fixed-output derivations with the same output
		}
		o := s.output(need.Output)
		s.change(o, func() { o.built, o.failed = need.Built, need.Failed })
		b.needs = append(b.needs, o)
		o.addWaiter(b)
		b.missing += count(!o.there())
		b.blocked += count(o.hopeless())
	}
	for _, id := range in.Makes {
		o := s.output(id)
		b.makes = append(b.makes, o)
		s.change(o, func() { o.addMaker(b) })
	}
	s.place(b)
}

// place puts a build into the queue that it belongs to now.
func (s *Scheduler) place(b *build) {
	if b.queue != nil {
		b.queue.remove(b)
	}
	switch {
	case b.gone || b.Agent != "" || b.missing > 0:
	case !b.NotBefore.IsZero():
		s.due.add(b)
	default:
		q := s.ready[b.System]
		if q == nil {
			q = &queue{less: sooner}
			s.ready[b.System] = q
		}
		q.add(b)
	}
}

// Advance moves the builds whose time has come by now to the ready ones.
func (s *Scheduler) Advance(now time.Time) {
	for b := s.due.first(); b != nil && !b.NotBefore.After(now); b = s.due.first() {
		b.NotBefore = time.Time{}
		s.place(b)
	}
}

// NextDue is when Advance has something to do; zero if nothing is deferred.
func (s *Scheduler) NextDue() time.Time {
	if b := s.due.first(); b != nil {
		return b.NotBefore
	}
	return time.Time{}
}

// Allocate gives an agent at most n builds of the given systems, the most
// urgent ones, and returns them. A system's queue costs the logarithm of its
// length for each.
func (s *Scheduler) Allocate(agent string, systems []string, n int) []int64 {
	var given []int64
	for len(given) < n {
		var best *build
		for _, system := range systems {
			if q := s.ready[system]; q != nil {
				if b := q.first(); b != nil && (best == nil || sooner(b, best)) {
					best = b
				}
			}
		}
		if best == nil {
			break
		}
		best.Agent = agent
		s.place(best)
		given = append(given, best.ID)
	}
	return given
}

// Release takes a build from its agent and puts it back into the queue, from
// where it is not handed out before the given time, if that is not zero.
func (s *Scheduler) Release(id int64, notBefore time.Time) {
	if b := s.builds[id]; b != nil {
		b.Agent, b.NotBefore = "", notBefore
		s.place(b)
	}
}

// Finish forgets a build that ended, and frees or blocks what waits for its
// outputs.
func (s *Scheduler) Finish(id int64, success bool) {
	s.remove(id, func(o *output) {
		if success {
			o.built, o.failed = true, 0
		} else if !o.built {
			o.failed = max(o.failed, id) // as the database has it
		}
	})
}

// Cancel forgets a build that nobody wants any more.
func (s *Scheduler) Cancel(id int64) { s.remove(id, func(*output) {}) }

func (s *Scheduler) remove(id int64, outcome func(*output)) {
	b := s.builds[id]
	if b == nil {
		return
	}
	s.blockers = nil
	delete(s.builds, id)
	b.gone = true
	s.place(b)
	for _, o := range b.needs {
		o.dropWaiter()
		s.forget(o)
	}
	for _, o := range b.makes {
		s.change(o, func() {
			o.dropMaker(b)
			outcome(o)
		})
		s.forget(o)
	}
}

// State is Deferred, Waiting, Blocked, Ready or Allocated; known is false for
// a build that is not among the unfinished.
func (s *Scheduler) State(id int64) (state daemon.State, known bool) {
	b := s.builds[id]
	switch {
	case b == nil:
		return "", false
	case b.Agent != "":
		return daemon.Allocated, true
	case b.blocked > 0:
		return daemon.Blocked, true
	case b.missing > 0:
		return daemon.Waiting, true
	case !b.NotBefore.IsZero():
		return daemon.Deferred, true
	default:
		return daemon.Ready, true
	}
}

// Ready is the number of builds of a system that an agent could have now.
func (s *Scheduler) Ready(system string) int {
	if q := s.ready[system]; q != nil {
		return len(q.builds)
	}
	return 0
}

// Len is the number of unfinished builds.
func (s *Scheduler) Len() int { return len(s.builds) }
