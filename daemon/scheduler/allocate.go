package scheduler

import (
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
)

// An Agent is who asks for builds.
type Agent struct {
	ID      string
	Name    string // may be empty
	Systems []string
	// Tags say which builds the agent takes: for every key that a build and
	// the agent both have they must share a value. Every agent has the tags
	// agent=ID and agent=NAME besides.
	Tags []daemon.Tag
}

// takes tells whether an agent may have builds with the given relevant tags,
// which are sorted.
func (a *Agent) takes(tags []daemon.Tag) bool {
	for len(tags) > 0 {
		key := tags[0].Key
		has, shares := key == agentKey, false
		for ; len(tags) > 0 && tags[0].Key == key; tags = tags[1:] {
			value := tags[0].Value
			if key == agentKey && (value == a.ID || value == a.Name && a.Name != "") {
				shares = true
			}
			for _, own := range a.Tags {
				if own.Key == key {
					has = true
					shares = shares || own.Value == value
				}
			}
		}
		if has && !shares {
			return false
		}
	}
	return true
}

// queuesFor are the queues of the ready builds that an agent may have. All of
// them have builds.
func (s *Scheduler) queuesFor(agent *Agent) []*queue {
	var queues []*queue
	for n, name := range agent.Systems {
		in, known := s.systemByID[name]
		if !known || slices.Contains(agent.Systems[:n], name) {
			continue
		}
		for _, number := range s.systems[in].queues {
			if q := s.queues.at(number); agent.takes(q.class.tags) {
				queues = append(queues, q)
			}
		}
	}
	return queues
}

// AllocateTo gives an agent at most n builds, the most urgent ones that it may
// have, and returns them. Each costs the logarithm of the number of ready
// builds and a look at every class of them.
func (s *Scheduler) AllocateTo(agent Agent, n int) []int64 {
	if n <= 0 {
		return nil
	}
	s.learn(&agent)
	s.settle()
	queues := s.queuesFor(&agent)
	var given []int64
	for len(given) < n {
		best := int32(-1)
		for _, q := range queues {
			if len(q.builds) > 0 && (best < 0 || s.before(q.builds[0], best)) {
				best = q.builds[0]
			}
		}
		if best < 0 {
			break
		}
		b := s.builds.at(best)
		b.held = true
		s.place(best)
		given = append(given, b.id)
	}
	return given
}

// Allocate is AllocateTo for an agent without tags.
func (s *Scheduler) Allocate(agent string, systems []string, n int) []int64 {
	return s.AllocateTo(Agent{ID: agent, Systems: systems}, n)
}

// ReadyFor is the number of builds that an agent could have now. It may be too
// high until AllocateTo has met an agent that uses the same keys of tags.
func (s *Scheduler) ReadyFor(agent Agent) int {
	n := 0
	for _, q := range s.queuesFor(&agent) {
		n += len(q.builds)
	}
	return n
}

// Ready is the number of builds of a system that are ready.
func (s *Scheduler) Ready(system string) int {
	n := 0
	if in, known := s.systemByID[system]; known {
		for _, q := range s.systems[in].queues {
			n += len(s.queues.at(q).builds)
		}
	}
	return n
}
