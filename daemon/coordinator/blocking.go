package coordinator

import (
	"cmp"
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A Blocker is a failed build with how many unfinished builds it blocks.
type Blocker struct {
	daemon.Build
	Blocks int
}

// Blocking are at most limit of the failed builds that block at least
// threshold others, the worst first, and how many of them there are in all.
// With systems only blocked builds for one of these count.
//
// What it looks at is what is blocked, once for each failure; nobody has to
// wait for more than one of them.
func (c *Coordinator) Blocking(ctx context.Context, systems []string, threshold, limit int) (worst []Blocker, all int, err error) {
	failed, err := c.Store.FailedOutputs(ctx)
	if err != nil {
		return nil, 0, err
	}
	blocks := make(map[int64]int)
	var ids []int64
	for _, f := range failed {
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		c.mu.RLock()
		n := c.sched.Blocks(f.ID, f.Outputs, systems)
		c.mu.RUnlock()
		if n >= threshold {
			blocks[f.ID] = n
			ids = append(ids, f.ID)
		}
	}
	slices.SortStableFunc(ids, func(a, b int64) int { return cmp.Compare(blocks[b], blocks[a]) })
	uuids, err := c.Store.UUIDs(ctx, ids[:min(limit, len(ids))])
	if err != nil {
		return nil, 0, err
	}
	for _, uuid := range uuids {
		b, found, err := c.Store.Build(ctx, uuid)
		if err != nil {
			return nil, 0, err
		}
		if found { // else it was forgotten meanwhile
			b.Derived = b.Priority
			worst = append(worst, Blocker{b.Build, blocks[b.ID]})
		}
	}
	slices.SortStableFunc(worst, func(a, b Blocker) int { return cmp.Compare(b.Blocks, a.Blocks) })
	return worst, len(ids), nil
}
