package scheduler

import "slices"

// queue is a heap of builds, each of which knows its place in it. There is one
// of the deferred builds and one for each system and class of ready ones; the
// latter exist only while builds stand in them.
type queue struct {
	builds []int32
	system int32
	class  *class
}

// Where a build may stand that is not ready.
const (
	noQueue = 0
	due     = 1 // has its inputs, but not before a time
)

// system is what the ready builds of a system stand in.
type system struct {
	queues  []int32
	ofClass map[*class]int32
	counts  [len(standings)]int32 // builds by standing; that of nowhere means nothing
	ready   []int64               // a heap of numbers, see pushReady
}

func (s *Scheduler) system(name string) int32 {
	i, known := s.systemByID[name]
	if !known {
		i = int32(len(s.systems))
		s.systems = append(s.systems, system{ofClass: make(map[*class]int32)})
		s.systemByID[name] = i
	}
	return i
}

// place puts a build into the queue that it belongs to now.
func (s *Scheduler) place(i int32) {
	b := s.builds.at(i)
	if b.queue != noQueue {
		s.leave(i, b)
	}
	switch {
	case b.gone || b.held || b.missing > 0:
	case b.deferred:
		s.join(i, b, due)
	default:
		s.join(i, b, s.readyQueue(b.system, s.tags.class(b.tags)))
	}
	s.recount(b)
}

// readyQueue finds the queue of a system and class, or makes one.
func (s *Scheduler) readyQueue(in int32, c *class) int32 {
	sys := &s.systems[in]
	number, known := sys.ofClass[c]
	if !known {
		var q *queue
		number, q = s.queues.add()
		q.system, q.class = in, c
		sys.ofClass[c] = number
		sys.queues = append(sys.queues, number)
	}
	return number
}

func (s *Scheduler) join(i int32, b *build, number int32) {
	q := s.queues.at(number)
	b.queue, b.at = number, int32(len(q.builds))
	q.builds = append(q.builds, i)
	s.up(q, b.at)
}

func (s *Scheduler) leave(i int32, b *build) {
	number, at := b.queue, b.at
	q := s.queues.at(number)
	last := int32(len(q.builds)) - 1
	moved := q.builds[last]
	q.builds = q.builds[:last]
	b.queue = noQueue
	if at < last {
		q.builds[at] = moved
		s.builds.at(moved).at = at
		s.fix(q, at)
	}
	if last == 0 && number != due {
		sys := &s.systems[q.system]
		delete(sys.ofClass, q.class)
		where := slices.Index(sys.queues, number)
		sys.queues = slices.Delete(sys.queues, where, where+1)
		s.queues.remove(number)
	}
}

// before is the order in a queue. Ready builds are handed out by derived
// priority, then by chain, then by age.
func (s *Scheduler) before(i, j int32) bool {
	a, b := s.builds.at(i), s.builds.at(j)
	switch {
	case a.queue == due:
		return s.notBefore[i].Before(s.notBefore[j])
	case a.derived != b.derived:
		return a.derived > b.derived
	case a.chain != b.chain:
		return a.chain > b.chain
	}
	return a.id < b.id
}

// fix moves the build at a place to where it belongs.
func (s *Scheduler) fix(q *queue, at int32) {
	if !s.up(q, at) {
		s.down(q, at)
	}
}

func (s *Scheduler) up(q *queue, at int32) (moved bool) {
	for at > 0 {
		parent := (at - 1) / 2
		if !s.before(q.builds[at], q.builds[parent]) {
			break
		}
		s.swap(q, at, parent)
		at, moved = parent, true
	}
	return moved
}

func (s *Scheduler) down(q *queue, at int32) {
	for n := int32(len(q.builds)); ; {
		child := 2*at + 1
		if child >= n {
			return
		}
		if child+1 < n && s.before(q.builds[child+1], q.builds[child]) {
			child++
		}
		if !s.before(q.builds[child], q.builds[at]) {
			return
		}
		s.swap(q, at, child)
		at = child
	}
}

func (s *Scheduler) swap(q *queue, i, j int32) {
	q.builds[i], q.builds[j] = q.builds[j], q.builds[i]
	s.builds.at(q.builds[i]).at = i
	s.builds.at(q.builds[j]).at = j
}
