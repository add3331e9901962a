package scheduler

import (
	"cmp"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// model is what the scheduler should be, in the slowest and plainest way: a
// list of all builds that ever were, and every answer found by looking
// through it.
type model struct {
	builds []*modelBuild // by id
	lost   map[int64]int // when an output was reported lost, unless it was built since
	now    time.Time
	clock  int // counts ends and losses
	// circles is set where builds may wait for one another: then nobody asks
	// what blocks them.
	circles bool
}

type modelBuild struct {
	id        int64
	system    string
	priority  int64
	tags      []daemon.Tag
	makes     []int64
	needs     []int64
	notBefore time.Time
	agent     string
	end       end
	ended     int // by the model's clock
}

// end is how a build ended.
type end string

const (
	unfinished end = ""
	success    end = "success"
	failure    end = "failure"
	canceled   end = "canceled"
)

func (m *model) ends(b *modelBuild, how end) {
	m.clock++
	b.end, b.ended = how, m.clock
	if how == success {
		for _, output := range b.makes {
			delete(m.lost, output)
		}
	}
}

func (m *model) lose(output int64) {
	m.clock++
	if _, already := m.lost[output]; !already {
		m.lost[output] = m.clock
	}
}

// facts is what the database says of an output.
func (m *model) facts(output int64) Need {
	since, lost := m.lost[output]
	need := Need{Output: output, Lost: lost}
	var failedSince int64
	for _, b := range m.builds {
		if slices.Contains(b.makes, output) {
			switch b.end {
			case success:
				need.Built = true
			case failure:
				need.Failed = b.id
				if b.ended > since {
					failedSince = b.id
				}
			}
		}
	}
	switch {
	case need.Built && lost:
		need.Failed = failedSince
	case need.Built:
		need.Failed = 0
	}
	return need
}

// input is a build as the coordinator would read it from the database.
func (m *model) input(b *modelBuild) Build {
	in := Build{ID: b.id, System: b.system, Priority: b.priority, Tags: b.tags, Makes: b.makes, NotBefore: b.notBefore, Agent: b.agent}
	for _, output := range b.needs {
		in.Needs = append(in.Needs, m.facts(output))
	}
	return in
}

// makers are the unfinished builds of an output.
func (m *model) makers(output int64) []*modelBuild {
	var makers []*modelBuild
	for _, b := range m.builds {
		if b.end == unfinished && slices.Contains(b.makes, output) {
			makers = append(makers, b)
		}
	}
	return makers
}

func (m *model) there(output int64) bool {
	f := m.facts(output)
	return f.Built && !f.Lost || f.Failed == 0 && len(m.makers(output)) == 0
}

// missing are the outputs that a build waits for.
func (m *model) missing(b *modelBuild) []int64 {
	var missing []int64
	for _, output := range b.needs {
		if !m.there(output) && !slices.Contains(b.makes, output) {
			missing = append(missing, output)
		}
	}
	return missing
}

func (m *model) waitsFor(b *modelBuild) []int64 {
	var ids []int64
	for _, output := range m.missing(b) {
		for _, maker := range m.makers(output) {
			ids = append(ids, maker.id)
		}
	}
	return set(ids)
}

func (m *model) blockedBy(b *modelBuild) []int64 {
	var ids []int64
	for _, output := range m.missing(b) {
		ids = append(ids, m.blockers(output)...)
	}
	return set(ids)
}

func (m *model) blockers(output int64) []int64 {
	makers := m.makers(output)
	if len(makers) == 0 {
		return []int64{m.facts(output).Failed}
	}
	var ids []int64
	for _, maker := range makers {
		behind := m.blockedBy(maker)
		if len(behind) == 0 {
			return nil
		}
		ids = append(ids, behind...)
	}
	return ids
}

func (m *model) state(b *modelBuild) daemon.State {
	switch {
	case b.agent != "":
		return daemon.Allocated
	case !m.circles && len(m.blockedBy(b)) > 0:
		return daemon.Blocked
	case len(m.missing(b)) > 0:
		return daemon.Waiting
	case b.notBefore.After(m.now):
		return daemon.Deferred
	}
	return daemon.Ready
}

// in are the unfinished builds in a state.
func (m *model) in(state daemon.State) []*modelBuild {
	var builds []*modelBuild
	for _, b := range m.builds {
		if b.end == unfinished && m.state(b) == state {
			builds = append(builds, b)
		}
	}
	return builds
}

// rank is a build's derived priority and chain.
type rank struct {
	Derived int64
	Chain   int
}

// ranks raises every build by those that wait for it until nothing can change
// any more, except in circles, where chains are longer than there are builds.
func (m *model) ranks() map[int64]rank {
	ranks, waits := make(map[int64]rank), make(map[int64][]int64)
	for _, b := range m.builds {
		if b.end == unfinished {
			ranks[b.id], waits[b.id] = rank{b.priority, 0}, m.waitsFor(b)
		}
	}
	n := len(ranks)
	for range 2*n + 2 {
		for id, makers := range waits {
			for _, maker := range makers {
				r := ranks[maker]
				ranks[maker] = rank{max(r.Derived, ranks[id].Derived), max(r.Chain, ranks[id].Chain+1)}
			}
		}
	}
	for id, r := range ranks {
		if r.Chain > n {
			ranks[id] = rank{r.Derived, endless}
		}
	}
	return ranks
}

// stuck are the builds in or below circles, not blocked as s says, that would
// not end if agents went on for ever.
func (m *model) stuck(s *Scheduler) []int64 {
	ends := make(map[int64]bool)
	for range m.builds {
		for _, b := range m.builds {
			able := b.end == unfinished
			for _, output := range m.missing(b) {
				made := slices.ContainsFunc(m.makers(output), func(maker *modelBuild) bool { return ends[maker.id] })
				able = able && (made || b.agent != "")
			}
			ends[b.id] = able
		}
	}
	var stuck []int64
	ranks := m.ranks()
	for _, b := range m.builds {
		if state, _ := s.State(b.id); b.end == unfinished && !ends[b.id] && ranks[b.id].Chain == endless && state != daemon.Blocked {
			stuck = append(stuck, b.id)
		}
	}
	return stuck
}

// may tells whether an agent's tags let it have a build.
func (m *model) may(agent Agent, b *modelBuild) bool {
	has := append([]daemon.Tag{{Key: "agent", Value: agent.ID}}, agent.Tags...)
	if agent.Name != "" {
		has = append(has, daemon.Tag{Key: "agent", Value: agent.Name})
	}
	for _, wanted := range b.tags {
		clash := false
		for _, tag := range has {
			clash = clash || tag.Key == wanted.Key
		}
		for _, tag := range has {
			for _, any := range b.tags {
				if any.Key == wanted.Key && any == tag {
					clash = false
				}
			}
		}
		if clash {
			return false
		}
	}
	return true
}

// readyFor are the builds that an agent may have, best first.
func (m *model) readyFor(agent Agent) []*modelBuild {
	ready := slices.DeleteFunc(m.in(daemon.Ready), func(b *modelBuild) bool {
		return !slices.Contains(agent.Systems, b.system) || !m.may(agent, b)
	})
	ranks := m.ranks()
	slices.SortStableFunc(ready, func(a, b *modelBuild) int {
		return cmp.Or(
			cmp.Compare(ranks[b.id].Derived, ranks[a.id].Derived),
			cmp.Compare(ranks[b.id].Chain, ranks[a.id].Chain),
		)
	})
	return ready
}

func (m *model) allocate(agent Agent, n int) []int64 {
	var ids []int64
	ready := m.readyFor(agent)
	for _, b := range ready[:min(n, len(ready))] {
		b.agent = agent.ID
		ids = append(ids, b.id)
	}
	return ids
}

func (m *model) nextDue() time.Time {
	var next time.Time
	for _, b := range m.in(daemon.Deferred) {
		if next.IsZero() || b.notBefore.Before(next) {
			next = b.notBefore
		}
	}
	return next
}

func set(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}
