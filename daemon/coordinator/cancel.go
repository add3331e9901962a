package coordinator

import (
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// CancelBuild cancels a build that has not ended; the agent that builds it is
// told to stop. With unlessRequired it leaves a build alone that another one
// waits for. The outcome is one of the words of package daemon.
func (c *Coordinator) CancelBuild(ctx context.Context, uuid string, unlessRequired bool) (outcome string, err error) {
	if err := CheckUUID(uuid); err != nil {
		return "", err
	}
	var result string
	err = c.change(ctx, func(ch *change) error {
		b, found, err := ch.Build(ch.ctx, uuid)
		if err != nil {
			return err
		}
		if !found {
			return noBuild(uuid)
		}
		result, err = c.cancel(ch, b, unlessRequired, nil)
		return err
	})
	if err == nil && result == daemon.BuildWasCanceled {
		c.Log.Info("build " + uuid + " canceled")
	}
	return result, err
}

// cancel cancels a build; those in gone are canceled in the same change.
func (c *Coordinator) cancel(ch *change, b datastore.BuildRow, unlessRequired bool, gone map[int64]bool) (outcome string, err error) {
	switch {
	case b.State == daemon.Canceled:
		return daemon.BuildWasCanceledAlready, nil
	case b.State.Finished():
		return daemon.BuildAlreadyProcessed, nil
	}
	if unlessRequired {
		c.mu.RLock()
		required := c.sched.Required(b.ID, gone)
		c.mu.RUnlock()
		if required {
			return daemon.BuildRequiredByAnother, nil
		}
	}
	ch.then = append(ch.then, func() {
		c.sched.Cancel(b.ID)
		c.ended.Canceled++
		c.announce()
	})
	if b.Agent != "" {
		ch.after = append(ch.after, func() { c.endFiles(b.UUID) })
	}
	if err := c.event(ch, buildEvent(daemon.BuildCanceled, b.Build)); err != nil {
		return "", err
	}
	return daemon.BuildWasCanceled, ch.Cancel(ch.ctx, b.ID, c.Now())
}

// A CancelFilter chooses unfinished builds to cancel.
type CancelFilter struct {
	Filter
	// UnstartedOnly leaves builds alone that an agent holds.
	UnstartedOnly bool
	// UnlessRequired leaves builds alone that others wait for, unless these
	// are canceled too.
	UnlessRequired bool
}

// cancelBatch is how many builds are canceled in one change.
const cancelBatch = 500

// CancelBuilds cancels all builds that a filter chooses and returns how many
// it canceled.
func (c *Coordinator) CancelBuilds(ctx context.Context, f CancelFilter) (int, error) {
	no := false
	f.Processed, f.Canceled, f.Limit, f.After, f.NoDependents = &no, &no, 0, "", false
	rows, err := c.Store.Builds(ctx, f.Filter)
	if err != nil {
		return 0, err
	}
	uuids := make([]string, len(rows))
	for i, b := range rows {
		uuids[i] = b.UUID
	}
	total, err := c.cancelAll(ctx, uuids, f.UnstartedOnly, f.UnlessRequired)
	if err != nil {
		return total, err
	}
	c.Log.Info("builds canceled", "builds", total)
	return total, nil
}

// cancelAll cancels builds, each of which follows those that it needs, and
// returns how many it canceled. Dependents go first, so that a whole branch goes.
func (c *Coordinator) cancelAll(ctx context.Context, uuids []string, unstartedOnly, unlessRequired bool) (total int, err error) {
	slices.Reverse(uuids)
	for part := range slices.Chunk(uuids, cancelBatch) {
		canceled := 0
		err := c.change(ctx, func(ch *change) error {
			gone := make(map[int64]bool)
			for _, uuid := range part {
				b, found, err := ch.Build(ch.ctx, uuid)
				if err != nil {
					return err
				}
				if !found || unstartedOnly && b.Agent != "" {
					continue
				}
				outcome, err := c.cancel(ch, b, unlessRequired, gone)
				if err != nil {
					return err
				}
				if outcome == daemon.BuildWasCanceled {
					gone[b.ID] = true
					canceled++
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += canceled
	}
	return total, nil
}

// SetPriority changes a build's own priority.
func (c *Coordinator) SetPriority(ctx context.Context, uuid string, priority int64) error {
	if err := CheckUUID(uuid); err != nil {
		return err
	}
	return c.change(ctx, func(ch *change) error {
		b, found, err := ch.Build(ch.ctx, uuid)
		switch {
		case err != nil:
			return err
		case !found:
			return noBuild(uuid)
		case b.State.Finished():
			return processed(b)
		}
		ch.then = append(ch.then, func() { c.sched.SetPriority(b.ID, priority) })
		return ch.SetPriority(ch.ctx, b.ID, priority)
	})
}
