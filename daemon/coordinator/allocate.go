package coordinator

import (
	"context"
	"errors"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/scheduler"
)

// Limits of what an agent may ask for.
const (
	maxSystems = 20
	maxTarget  = 1000            // builds that one agent holds
	maxWait    = 2 * time.Minute // that an answer is held back
)

// A Fetch is an agent's wish for builds.
type Fetch struct {
	Systems []string
	Target  int           // builds that it wants to hold in all
	More    bool          // Target counts those beyond what it holds already
	Wait    time.Duration // how long to wait for news; zero answers at once
	Held    []string      // what it believes to hold: that it does not is news
}

// FetchBuilds gives an agent builds up to its target and returns all that it
// holds. With a wait it returns as soon as there is news: a new build, or one
// that the agent believes to hold and does not.
func (c *Coordinator) FetchBuilds(ctx context.Context, agent string, f Fetch) ([]daemon.Allocation, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := c.recordSystems(ctx, agent, f.Systems); err != nil {
		return nil, err
	}
	f.Systems = c.allowed(agent, f.Systems)
	q := c.ask(agent)
	var timeout <-chan time.Time
	if f.Wait > 0 {
		timer := time.NewTimer(min(f.Wait, maxWait))
		defer timer.Stop()
		timeout = timer.C
	}
	defer c.attend(agent)()
	for {
		news := c.newsChannel()
		given, err := c.allocate(ctx, agent, q, f)
		if err != nil {
			return nil, err
		}
		allocations, err := c.Store.Allocations(ctx, agent)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for i := range allocations {
			allocations[i].KeepOutput = c.settings().KeepOutputs
		}
		if err != nil || given > 0 || f.Wait <= 0 || len(Mistaken(f.Held, allocations)) > 0 {
			return allocations, err
		}
		select {
		case <-news:
		case <-timeout:
			return allocations, nil
		case <-q: // nobody waits for this answer any more
			return allocations, nil
		case <-c.quiet:
			return allocations, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Mistaken are those of the builds that an agent believes to hold which it
// does not.
func Mistaken(held []string, allocations []daemon.Allocation) (gone []string) {
	really := make(map[string]bool, len(allocations))
	for _, a := range allocations {
		really[a.UUID] = true
	}
	for _, uuid := range held {
		if !really[uuid] {
			gone = append(gone, uuid)
		}
	}
	return gone
}

// A question is an agent's wish for builds, closed when it asks again. Only the
// newest gets builds: one that waits may be of a connection which broke without
// our knowing.
type question chan struct{}

func (c *Coordinator) ask(agent string) question {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.questions[agent]; ok {
		close(before)
	}
	c.questions[agent] = make(question)
	return c.questions[agent]
}

func (f *Fetch) check() error {
	if len(f.Systems) == 0 || len(f.Systems) > maxSystems {
		return daemon.Errorf(daemon.Invalid, "an agent must ask for 1 to %d systems", maxSystems)
	}
	for _, system := range f.Systems {
		if system == "" || len(system) > 64 {
			return daemon.Errorf(daemon.Invalid, "%.64q is not a system such as x86_64-linux", system)
		}
	}
	if len(f.Held) > maxTarget {
		return daemon.Errorf(daemon.Invalid, "an agent can hold at most %d builds", maxTarget)
	}
	if f.Target < 0 || f.Target > maxTarget {
		return daemon.Errorf(daemon.Invalid, "an agent can hold 0 to %d builds, not %d", maxTarget, f.Target)
	}
	return nil
}

func (c *Coordinator) newsChannel() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.news
}

// anyReady tells, without asking the writer, whether there may be a build for
// one of the systems.
func (c *Coordinator) anyReady(systems []string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.full != nil {
		return false
	}
	due := c.sched.NextDue() // the writer may not have got round to it
	return c.stale || !due.IsZero() && !due.After(c.Now()) ||
		slices.ContainsFunc(systems, func(s string) bool { return c.sched.Ready(s) > 0 })
}

// allocate gives an agent the builds that it may have now.
func (c *Coordinator) allocate(ctx context.Context, agent string, q question, f Fetch) (int, error) {
	select {
	case <-c.quiet:
		return 0, nil
	default:
	}
	if f.Target == 0 || !c.anyReady(f.Systems) {
		return 0, nil
	}
	given := 0
	err := c.change(ctx, func(ch *change) error {
		a, found, err := ch.Agent(ch.ctx, agent)
		if err != nil || !found || !a.Active || a.Mode != daemon.Working {
			return err
		}
		n := f.Target
		if !f.More {
			n -= len(a.Allocated)
		}
		n = min(n, maxTarget-len(a.Allocated))
		if n <= 0 {
			return nil
		}
		c.mu.Lock()
		if c.questions[agent] != q {
			c.mu.Unlock()
			return nil // it has asked again since: nobody hears this answer
		}
		c.sched.Advance(c.Now())
		who := scheduler.Agent{ID: agent, Name: a.Name, Systems: f.Systems, Tags: a.Tags}
		ids := c.sched.AllocateTo(who, min(n, c.fairShare(who)))
		c.mu.Unlock()
		ch.undo = append(ch.undo, func() {
			for _, id := range ids {
				c.sched.Release(id, time.Time{})
			}
		})
		ch.then = append(ch.then, func() { c.Observe.Allocated(agent, len(ids)) })
		for _, id := range ids {
			err := ch.Allocate(ch.ctx, id, agent)
			if errors.Is(err, datastore.ErrEnded) {
				continue // in this batch, which the scheduler does not know yet
			}
			if err != nil {
				return err
			}
			given++
		}
		return c.tellAllocated(ch, a)
	})
	if err != nil {
		return 0, err
	}
	if given > 0 {
		c.Log.Debug("builds allocated", "agent", agent, "builds", given)
	}
	return given, nil
}

// tellAllocated says in the stream what an agent holds that it did not hold
// before.
func (c *Coordinator) tellAllocated(ch *change, before daemon.Agent) error {
	held, err := ch.Allocations(ch.ctx, before.ID)
	if err != nil {
		return err
	}
	given := slices.DeleteFunc(held, func(a daemon.Allocation) bool {
		return slices.ContainsFunc(before.Allocated, func(b daemon.Allocation) bool { return a.UUID == b.UUID })
	})
	if len(given) == 0 {
		return nil
	}
	return c.event(ch, daemon.Event{Name: daemon.BuildsAllocated, Agent: before.ID, Builds: given})
}

// recently is how long ago an agent may have asked to count as one that wants
// a share.
const recently = time.Minute

// fairShare is how many of the builds that an agent could have now it gets
// while others may want them too: its part of them, and at least one. The
// caller holds mu.
func (c *Coordinator) fairShare(agent scheduler.Agent) int {
	now, others := c.Now(), 0
	for id, last := range c.seen {
		if id != agent.ID && (now.Sub(last) < recently || c.asking[id] > 0) {
			others++
		}
	}
	share := (c.sched.ReadyFor(agent) + others) / (others + 1)
	return max(1, share)
}

// recordSystems keeps what an agent asks for, if it asks for something new.
func (c *Coordinator) recordSystems(ctx context.Context, agent string, systems []string) error {
	sorted := slices.Compact(slices.Sorted(slices.Values(systems)))
	known, err := c.Store.AgentSystems(ctx, agent)
	if err != nil || slices.Equal(known, sorted) {
		return err
	}
	return c.change(ctx, func(ch *change) error {
		if err := ch.SetAgentSystems(ch.ctx, agent, sorted); err != nil {
			return err
		}
		return c.tellAgent(ch, agent)
	})
}
