package coordinator

import (
	"context"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// choreInterval is how often the coordinator looks after things that no
// request makes happen.
const choreInterval = 5 * time.Second

func (c *Coordinator) doChores() {
	tick := time.NewTicker(choreInterval)
	defer tick.Stop()
	for {
		for name, do := range map[string]func(context.Context) error{
			"end leases": c.EndLeases, "forget old builds": c.ForgetOld, "look for room": c.LookForRoom,
			"forget old events": c.ForgetEvents,
			"break circles":     c.BreakCircles,
		} {
			if err := do(c.life); err != nil && c.life.Err() == nil {
				c.Log.Error("cannot "+name, "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-c.life.Done():
			return
		}
	}
}

// forgetBatch is how many builds are forgotten in one change, and between two
// ticks.
const forgetBatch = 200

// ForgetOld deletes builds that are not to be kept any longer, their logs
// and outputs first: without a build they are found by nobody.
func (c *Coordinator) ForgetOld(ctx context.Context) error {
	keep := c.settings()
	if keep.KeepFor <= 0 && keep.KeepBuilds <= 0 {
		return nil
	}
	var before time.Time
	if keep.KeepFor > 0 {
		before = c.Now().Add(-keep.KeepFor)
	}
	old, err := c.Store.OldBuilds(ctx, before, keep.KeepBuilds, forgetBatch)
	if err != nil || len(old) == 0 {
		return err
	}
	for _, uuid := range old {
		if err := c.forgetFiles(uuid); err != nil {
			return err
		}
	}
	return c.change(ctx, func(ch *change) error {
		var gone datastore.Outcomes
		for id, uuid := range old {
			b, _, err := ch.Build(ch.ctx, uuid)
			if err != nil {
				return err
			}
			switch b.State {
			case daemon.Succeeded:
				gone.Succeeded++
			case daemon.Failed:
				gone.Failed++
			case daemon.Canceled:
				gone.Canceled++
			}
			if err := ch.Forget(ch.ctx, id); err != nil {
				return err
			}
		}
		ch.then = append(ch.then, func() {
			c.ended.Succeeded -= gone.Succeeded
			c.ended.Failed -= gone.Failed
			c.ended.Canceled -= gone.Canceled
		})
		return nil
	})
}

// LookForRoom stops handing out builds while the disk is nearly full, and goes
// on when there is room.
func (c *Coordinator) LookForRoom(context.Context) error {
	room := c.settings().Room
	if room == nil {
		return nil
	}
	full := room()
	c.mu.Lock()
	was := c.full
	c.full = full
	if was != nil && full == nil {
		c.announce()
	}
	c.mu.Unlock()
	switch {
	case was == nil && full != nil:
		c.Log.Error("no builds are handed out", "err", full)
	case was != nil && full == nil:
		c.Log.Info("builds are handed out again")
	}
	return nil
}

// Trouble is why no builds are handed out; nil if they are.
func (c *Coordinator) Trouble() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.full
}
