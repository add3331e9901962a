package coordinator

import (
	"context"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// circlePatience is how long builds may wait for one another before the
// coordinator does something: what leads out of the circle may be submitted
// soon.
const circlePatience = time.Minute

// BreakCircles finds builds that wait for one another and would do so for ever.
// The sources of a tool may be fetched by a derivation that needs the tool; if
// that is submitted, and none that makes the same sources otherwise, both wait.
// Such a fetch fails here, with a reason; then the others are blocked by that,
// where people see it, and go on when another build makes the sources.
func (c *Coordinator) BreakCircles(ctx context.Context) error {
	if !c.circlesStay() {
		return nil
	}
	failed := ""
	err := c.change(ctx, func(ch *change) error {
		c.mu.RLock()
		stuck := c.sched.Stuck()
		c.mu.RUnlock()
		uuid, found, err := ch.NewestFixedOutput(ch.ctx, stuck)
		if err != nil || !found {
			return err
		}
		b, _, err := ch.Build(ch.ctx, uuid)
		if err != nil {
			return err
		}
		failed = uuid
		return c.finish(ch, b, "", daemon.Result{Ended: c.Now(), Reason: fmt.Sprintf("given up: it is one of %d builds that wait for one another, "+
			"since what it makes is needed to build what it needs; submit another derivation that makes the same, without these", len(stuck))})
	})
	if err == nil && failed != "" {
		c.Log.Warn("build " + failed + " failed: it waited for what waited for it")
	}
	return err
}

// circlesStay tells whether builds have waited for one another for long.
func (c *Coordinator) circlesStay() bool {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.sched.Stuck()) == 0:
		c.circled = time.Time{}
	case c.circled.IsZero():
		c.circled = now
	}
	return !c.circled.IsZero() && now.Sub(c.circled) >= circlePatience
}
