package coordinator

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/uuid"
)

// RetryBuild submits a build again that failed or was canceled, with the same
// priority and tags, and returns the new build's UUID. For a build that
// failures block it retries these instead. What waits for the outputs waits
// for the new builds from then on.
//
// A build whose derivation has an unfinished build already is not submitted
// once more. With withBlocked, canceled builds that need its outputs are
// submitted again as well, and those that need theirs.
func (c *Coordinator) RetryBuild(ctx context.Context, id string, withBlocked bool) ([]string, error) {
	if err := CheckUUID(id); err != nil {
		return nil, err
	}
	var submitted []string
	err := c.change(ctx, func(ch *change) error {
		again, err := c.toRetry(ch, id)
		if err != nil {
			return err
		}
		if withBlocked {
			above, err := ch.CanceledAbove(ch.ctx, again)
			if err != nil {
				return err
			}
			again = append(again, above...)
		}
		for _, b := range again {
			unfinished, err := ch.HasUnfinishedBuild(ch.ctx, b.DerivationID)
			if err != nil {
				return err
			}
			if unfinished {
				continue
			}
			s := daemon.Submission{UUID: uuid.NewString(), Derivation: b.Derivation, Priority: b.Priority, Tags: b.Tags}
			if err := c.insertBuild(ch, s, b.DerivationID); err != nil {
				return err
			}
			submitted = append(submitted, s.UUID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, b := range submitted {
		c.Log.Info("build "+b+" submitted", "again", id)
	}
	return submitted, nil
}

// toRetry is the build itself or those that block it.
func (c *Coordinator) toRetry(ch *change, id string) ([]datastore.BuildRow, error) {
	b, found, err := ch.Build(ch.ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, noBuild(id)
	case b.State == daemon.Failed || b.State == daemon.Canceled:
		return []datastore.BuildRow{b}, nil
	case b.State == daemon.Succeeded:
		return nil, daemon.Errorf(daemon.Conflict, "the build %s succeeded; submit its derivation to build it again", id)
	}
	c.mu.RLock()
	blockers := c.sched.BlockedBy(b.ID)
	c.mu.RUnlock()
	uuids, err := ch.UUIDs(ch.ctx, blockers)
	if err != nil {
		return nil, err
	}
	if len(uuids) == 0 {
		return nil, daemon.Errorf(daemon.Conflict, "the build %s has not ended", id)
	}
	var again []datastore.BuildRow
	for _, blocker := range uuids {
		b, _, err := ch.Build(ch.ctx, blocker)
		if err != nil {
			return nil, err
		}
		again = append(again, b)
	}
	return again, nil
}

// retryFailure submits a failed build again if the policy says so.
func (c *Coordinator) retryFailure(ch *change, b datastore.BuildRow) error {
	most := c.settings().RetryFailures
	if most == 0 {
		return nil
	}
	failures, err := ch.FailuresInARow(ch.ctx, b.DerivationID)
	if err != nil || failures > most {
		return err
	}
	s := daemon.Submission{UUID: uuid.NewString(), Derivation: b.Derivation, Priority: b.Priority, Tags: b.Tags}
	return c.insertBuild(ch, s, b.DerivationID)
}
