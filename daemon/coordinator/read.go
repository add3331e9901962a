package coordinator

import (
	"context"
	"math"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Build is a build with all that happened to it.
func (c *Coordinator) Build(ctx context.Context, uuid string) (daemon.BuildDetail, error) {
	if err := CheckUUID(uuid); err != nil {
		return daemon.BuildDetail{}, err
	}
	row, found, err := c.Store.Build(ctx, uuid)
	if err != nil {
		return daemon.BuildDetail{}, err
	}
	if !found {
		return daemon.BuildDetail{}, noBuild(uuid)
	}
	detail, err := c.Store.Detail(ctx, row)
	if err != nil {
		return detail, err
	}
	c.mu.RLock()
	blocked, waits := c.refine(&row), c.sched.WaitsFor(row.ID)
	c.mu.RUnlock()
	detail.Build = row.Build
	if detail.BlockedBy, err = c.Store.UUIDs(ctx, blocked); err != nil {
		return detail, err
	}
	detail.WaitsFor, err = c.Store.UUIDs(ctx, waits)
	return detail, err
}

// refine adds to what the database says of an unfinished build what others say
// of it: its state by its inputs, its priority by what waits for it. It returns
// the failed builds that block it. The caller holds mu.
func (c *Coordinator) refine(b *datastore.BuildRow) (blockedBy []int64) {
	b.Derived = b.Priority
	if b.State.Finished() {
		return nil
	}
	b.Derived, _ = c.sched.Priority(b.ID)
	if b.State != daemon.Waiting && b.State != daemon.Deferred {
		return nil
	}
	if state, known := c.sched.State(b.ID); known {
		b.State = state
	}
	if b.State == daemon.Deferred && !b.NotBefore.After(c.Now()) {
		b.State = daemon.Ready // the scheduler has not got round to it
	}
	if b.State != daemon.Deferred {
		b.NotBefore = time.Time{}
	}
	if b.State == daemon.Blocked {
		return c.sched.BlockedBy(b.ID)
	}
	return nil
}

// A Filter chooses builds.
type Filter = datastore.BuildFilter

// maxList bounds one page of a list.
const maxList = 10_000

// Builds are the builds that a filter chooses, oldest first.
func (c *Coordinator) Builds(ctx context.Context, f Filter) ([]daemon.Build, error) {
	if f.Limit <= 0 || f.Limit > maxList {
		f.Limit = maxList
	}
	if f.After != "" {
		if err := CheckUUID(f.After); err != nil {
			return nil, err
		}
		if _, found, err := c.Store.Build(ctx, f.After); err != nil {
			return nil, err
		} else if !found {
			return nil, noBuild(f.After)
		}
	}
	builds := []daemon.Build{}
	for {
		rows, err := c.Store.Builds(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			c.mu.RLock()
			blocked, required := c.refine(&row), f.NoDependents && c.sched.Required(row.ID, nil)
			c.mu.RUnlock()
			if required {
				continue
			}
			if row.BlockedBy, err = c.Store.UUIDs(ctx, blocked); err != nil {
				return nil, err
			}
			if builds = append(builds, row.Build); len(builds) == f.Limit {
				return builds, nil
			}
		}
		if len(rows) < f.Limit {
			return builds, nil
		}
		f.After = rows[len(rows)-1].UUID // some of the page fell through
	}
}

// Counts are the numbers of all builds by state, for every state. They are
// kept, not counted: asking costs the same on a farm of any size.
func (c *Coordinator) Counts(ctx context.Context) (map[daemon.State]int, error) {
	started, err := c.Store.Started(ctx)
	if err != nil {
		return nil, err
	}
	c.advance()
	c.mu.RLock()
	defer c.mu.RUnlock()
	counts := c.sched.Counts()
	counts[daemon.Started] = min(started, counts[daemon.Allocated]) // one may have ended since
	counts[daemon.Allocated] -= counts[daemon.Started]
	counts[daemon.Succeeded], counts[daemon.Failed], counts[daemon.Canceled] = c.ended.Succeeded, c.ended.Failed, c.ended.Canceled
	return counts, nil
}

// OutputBuilds are the builds of all derivations that make a store item, and these
// derivations, the one that was stored last first.
func (c *Coordinator) OutputBuilds(ctx context.Context, path storepath.Path) ([]daemon.Build, []storepath.Path, error) {
	makers, err := c.Store.Makers(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	if len(makers) == 0 {
		return nil, nil, daemon.Errorf(daemon.NotFound, "no derivation that is known here makes %s", path)
	}
	derivations := make([]storepath.Path, len(makers))
	for i, m := range makers {
		derivations[i] = m.Derivation.Path
	}
	builds, err := c.Builds(ctx, Filter{Output: path})
	return builds, derivations, err
}

// MaxSetupFailures and maxMissingListed bound a page of the list of setup
// failures, and the missing inputs of each.
const (
	MaxSetupFailures = 1000
	maxMissingListed = 20
)

// SetupFailures are at most limit setup failures of all builds, the newest
// first; those before one, unless that is zero.
func (c *Coordinator) SetupFailures(ctx context.Context, before int64, limit int) ([]daemon.ListedSetupFailure, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return c.Store.SetupFailures(ctx, before, min(limit, MaxSetupFailures), maxMissingListed)
}

// Recent are the newest builds, at most so many, newest first. They lack their
// tags and what blocks them.
func (c *Coordinator) Recent(ctx context.Context, limit int) ([]daemon.Build, error) {
	rows, err := c.Store.RecentBuilds(ctx, limit)
	builds := make([]daemon.Build, len(rows))
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := range rows {
		c.refine(&rows[i])
		builds[i] = rows[i].Build
	}
	return builds, err
}

// Queue counts the unfinished builds by system and state. Those that an agent
// has begun count as allocated.
func (c *Coordinator) Queue() map[string]map[daemon.State]int {
	c.advance()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sched.Queue()
}

// OldestReady is, for each system with ready builds, when the one of them was
// submitted that was submitted first.
func (c *Coordinator) OldestReady(ctx context.Context) (map[string]time.Time, error) {
	c.advance()
	c.mu.RLock()
	oldest := c.sched.OldestReady()
	c.mu.RUnlock()
	times := make(map[string]time.Time, len(oldest))
	for system, id := range oldest {
		created, found, err := c.Store.BuildCreated(ctx, id)
		if err != nil {
			return nil, err
		}
		if found { // and not ended meanwhile
			times[system] = created
		}
	}
	return times, nil
}

// Agents are all agents, in the order in which they were added.
func (c *Coordinator) Agents(ctx context.Context) ([]daemon.Agent, error) {
	return c.Store.Agents(ctx)
}

// Agent is one agent.
func (c *Coordinator) Agent(ctx context.Context, id string) (daemon.Agent, error) {
	if err := CheckUUID(id); err != nil {
		return daemon.Agent{}, err
	}
	agent, found, err := c.Store.Agent(ctx, id)
	if err == nil && !found {
		err = noAgent(id)
	}
	return agent, err
}

// PasswordDates are when an agent's passwords were made. The passwords
// themselves are nowhere.
func (c *Coordinator) PasswordDates(ctx context.Context, id string) ([]time.Time, error) {
	if _, err := c.Agent(ctx, id); err != nil {
		return nil, err
	}
	passwords, err := c.Store.Passwords(ctx, id)
	dates := make([]time.Time, len(passwords))
	for i, p := range passwords {
		dates[i] = p.Created
	}
	return dates, err
}
