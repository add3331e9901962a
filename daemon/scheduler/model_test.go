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
	now    time.Time
}

type modelBuild struct {
	id        int64
	system    string
	priority  int64
	makes     []int64
	needs     []int64
	notBefore time.Time
	agent     string
	end       end
}

// end is how a build ended.
type end string

const (
	unfinished end = ""
	success    end = "success"
	failure    end = "failure"
	canceled   end = "canceled"
)

// facts is what the database says of an output.
func (m *model) facts(output int64) Need {
	need := Need{Output: output}
	for _, b := range m.builds {
		if slices.Contains(b.makes, output) {
			switch b.end {
			case success:
				need.Built = true
			case failure:
				need.Failed = b.id
			}
		}
	}
	if need.Built {
		need.Failed = 0
	}
	return need
}

// input is a build as the coordinator would read it from the database.
func (m *model) input(b *modelBuild) Build {
	in := Build{ID: b.id, System: b.system, Priority: b.priority, Makes: b.makes, NotBefore: b.notBefore, Agent: b.agent}
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
	return f.Built || f.Failed == 0 && len(m.makers(output)) == 0
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
	case len(m.blockedBy(b)) > 0:
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

func (m *model) allocate(agent string, systems []string, n int) []int64 {
	ready := slices.DeleteFunc(m.in(daemon.Ready), func(b *modelBuild) bool { return !slices.Contains(systems, b.system) })
	slices.SortStableFunc(ready, func(a, b *modelBuild) int { return cmp.Compare(b.priority, a.priority) })
	var ids []int64
	for _, b := range ready[:min(n, len(ready))] {
		b.agent = agent
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
