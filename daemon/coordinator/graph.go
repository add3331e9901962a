package coordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"golang.org/x/sync/errgroup"
)

// Limits of a graph. The largest real ones have some ten thousand nodes.
const (
	maxGraph     = 200_000 // derivations
	graphFetches = 16      // at the same time, for one submission
)

// loadGraph gets a derivation and, recursively, those that it needs, as far
// as the database lacks them. They come in an order in which every one
// follows its inputs.
func (c *Coordinator) loadGraph(ctx context.Context, urls []string, root storepath.Path) ([]datastore.Node, error) {
	var mu sync.Mutex // guards seen
	seen := make(map[storepath.Path]*derivation.Derivation)
	visit := func(ctx context.Context, path storepath.Path) (*derivation.Derivation, error) {
		mu.Lock()
		_, known := seen[path]
		full := len(seen) >= maxGraph
		if !known {
			seen[path] = nil
		}
		mu.Unlock()
		if known {
			return nil, nil
		}
		if full {
			return nil, daemon.Errorf(daemon.TooLarge, "%s has more than %d derivations below it", root, maxGraph)
		}
		id, err := c.Store.DerivationID(ctx, path)
		if id != 0 || err != nil {
			return nil, err
		}
		drv, err := c.loadDerivation(ctx, urls, path)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		seen[path] = drv
		mu.Unlock()
		return drv, nil
	}

	// One level after the other, each in parallel: no goroutine waits for
	// another that cannot start.
	level := []storepath.Path{root}
	for len(level) > 0 {
		found := make([]*derivation.Derivation, len(level))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(graphFetches)
		for i, path := range level {
			group.Go(func() (err error) {
				found[i], err = visit(ctx, path)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		level = level[:0:0]
		for _, drv := range found {
			if drv == nil {
				continue
			}
			for _, in := range drv.Inputs {
				if _, known := seen[in.Path]; !known {
					level = append(level, in.Path)
				}
			}
		}
	}
	return inOrder(seen, root), nil
}

// inOrder sorts a graph so that inputs come first.
func inOrder(graph map[storepath.Path]*derivation.Derivation, root storepath.Path) []datastore.Node {
	var order []datastore.Node
	type frame struct {
		path storepath.Path
		next int // the input to visit next
	}
	done := make(map[storepath.Path]bool, len(graph))
	stack := []frame{{path: root}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		drv := graph[top.path]
		if drv == nil || top.next == 0 && done[top.path] {
			stack = stack[:len(stack)-1]
			continue
		}
		done[top.path] = true
		if top.next < len(drv.Inputs) {
			in := drv.Inputs[top.next].Path
			top.next++
			if !done[in] {
				stack = append(stack, frame{path: in})
			}
			continue
		}
		order = append(order, datastore.Node{Path: top.path, Derivation: drv})
		stack = stack[:len(stack)-1]
	}
	return order
}

// loadDerivation gets one derivation; those who want the same at the same
// time share the effort, which therefore does not end with ctx.
func (c *Coordinator) loadDerivation(ctx context.Context, urls []string, path storepath.Path) (*derivation.Derivation, error) {
	if drv := c.parsed.get(path); drv != nil {
		return drv, nil
	}
	result := c.fetches.DoChan(string(path)+"\x00"+fmt.Sprint(urls), func() (any, error) {
		text, err := c.fetch(urls, path)
		if err != nil {
			return nil, err
		}
		drv, err := derivation.Parse(text)
		if err != nil {
			return nil, daemon.Errorf(daemon.Invalid, "%s is not a sound derivation: %v", path, err)
		}
		// A derivation's path follows from its text: a substitute server
		// cannot pass another one off, signed or not.
		own, err := drv.StorePath(path.Dir(), strings.TrimSuffix(path.Name(), ".drv"))
		if err != nil || own != path {
			return nil, daemon.Errorf(daemon.Invalid, "what was fetched as %s is another derivation (%s)", path, own)
		}
		c.parsed.put(path, drv)
		return drv, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*derivation.Derivation), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// How often a derivation is asked for where servers do not deliver, and the
// pauses in between: 0.25, 0.5, 1, 2 and 4 seconds, each shortened at random.
const (
	fetchAttempts = 6
	fetchPause    = 250 * time.Millisecond
)

// fetch is Fetch, repeated while there is hope. That a derivation is not to be
// had anywhere is final.
func (c *Coordinator) fetch(urls []string, path storepath.Path) (text []byte, err error) {
	pause := fetchPause
	for attempt := 1; ; attempt++ {
		text, err = c.Fetch(c.life, urls, path)
		if daemon.CodeOf(err) != daemon.Unavailable || attempt == fetchAttempts {
			return text, err
		}
		c.Log.Warn("cannot fetch a derivation; trying again", "derivation", path, "attempt", attempt, "err", err)
		timer := time.NewTimer(pause - rand.N(pause/2))
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return nil, errClosed
		}
		pause *= 2
	}
}
