package coordinator

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/scheduler"
)

// AnnouncePlan works out how many of the ready builds each agent could have and
// says so in the stream if that has changed. Builds are handed out when an
// agent asks and not by a plan: two agents may both count a build.
func (c *Coordinator) AnnouncePlan(ctx context.Context) error {
	agents, err := c.Store.Agents(ctx)
	if err != nil || !c.planChanged(agents) {
		return err
	}
	return c.change(ctx, func(ch *change) error {
		agents, err := ch.Agents(ch.ctx)
		if err != nil || !c.planChanged(agents) {
			return err
		}
		plan := make(map[string]int, len(agents))
		for i, n := range c.plan(agents) {
			plan[agents[i].ID] = n
			if err := ch.SetAgentPlan(ch.ctx, agents[i].ID, n); err != nil {
				return err
			}
		}
		return c.event(ch, daemon.Event{Name: daemon.PlanUpdated, Plan: plan})
	})
}

// plan is how many builds each of the agents could have now.
func (c *Coordinator) plan(agents []daemon.Agent) []int {
	counts := make([]int, len(agents))
	for i, a := range agents {
		agents[i].Systems = c.allowed(a.ID, a.Systems)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i, a := range agents {
		if a.Active && a.Mode == daemon.Working {
			counts[i] = c.sched.ReadyFor(scheduler.Agent{ID: a.ID, Name: a.Name, Systems: a.Systems, Tags: a.Tags})
		}
	}
	return counts
}

func (c *Coordinator) planChanged(agents []daemon.Agent) bool {
	for i, n := range c.plan(agents) {
		if agents[i].Planned != n {
			return true
		}
	}
	return false
}
