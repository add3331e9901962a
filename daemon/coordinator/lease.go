package coordinator

import (
	"context"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// see records that an agent is there.
func (c *Coordinator) see(agent string) {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[agent] = now
}

// attend counts an agent as there until the function that it returns is called.
func (c *Coordinator) attend(agent string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking[agent]++
	return func() {
		now := c.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[agent] = now
		if c.asking[agent]--; c.asking[agent] == 0 {
			delete(c.asking, agent)
		}
	}
}

// silentFor is how long nothing was heard of an agent. What happened before the
// coordinator started does not count.
func (c *Coordinator) silentFor(agent string) time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.asking[agent] > 0 {
		return 0
	}
	last, ok := c.seen[agent]
	if !ok {
		last = c.began
	}
	return c.Now().Sub(last)
}

// EndLeases takes the builds from agents that were silent for too long.
func (c *Coordinator) EndLeases(ctx context.Context) error {
	lease := c.settings().Lease
	if lease <= 0 {
		return nil
	}
	holders, err := c.Store.Holders(ctx)
	if err != nil {
		return err
	}
	for _, agent := range holders {
		silent := c.silentFor(agent)
		if silent < lease {
			continue
		}
		n := 0
		err := c.change(ctx, func(ch *change) error {
			if c.silentFor(agent) < lease {
				return nil // it is back
			}
			allocations, err := ch.Allocations(ch.ctx, agent)
			if err != nil {
				return err
			}
			for _, a := range allocations {
				b, _, err := ch.Build(ch.ctx, a.UUID)
				if err != nil {
					return err
				}
				if err := c.lose(ch, b, agent); err != nil {
					return err
				}
			}
			n = len(allocations)
			return nil
		})
		if err != nil {
			return err
		}
		if n > 0 {
			c.Log.Warn("an agent vanished; its builds go to others", "agent", agent, "silent", silent.Round(time.Second), "builds", n)
		}
	}
	return nil
}

// lose takes a build from an agent that vanished. A build whose agents vanish
// again and again may be what makes them: it fails.
func (c *Coordinator) lose(ch *change, b datastore.BuildRow, agent string) error {
	before, _, err := ch.Losses(ch.ctx, b.ID, agent)
	if err != nil {
		return err
	}
	if err := ch.Lose(ch.ctx, b.ID, agent, c.Now()); err != nil {
		return err
	}
	if err := c.tellReleased(ch, agent, b.UUID); err != nil {
		return err
	}
	if most := c.settings().MaxLosses; most > 0 && before+1 >= most {
		return c.finish(ch, b, agent, daemon.Result{Ended: c.Now(),
			Reason: fmt.Sprintf("given up: %d times an agent vanished that had this build", before+1)})
	}
	var until time.Time
	if b.State == daemon.Started {
		until = c.Now().Add(c.setupPause(before))
		if err := ch.Defer(ch.ctx, b.ID, until); err != nil {
			return err
		}
	}
	c.release(ch, b.ID, until)
	return nil
}

// release puts a build back into the scheduler's queue after the commit.
func (c *Coordinator) release(ch *change, build int64, until time.Time) {
	ch.then = append(ch.then, func() {
		c.sched.Release(build, until)
		c.announce()
	})
}
