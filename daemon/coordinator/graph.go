package coordinator

import (
	"context"
	"errors"
	"strings"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// How many nodes are remembered while submissions need them.
const (
	maxKept  = 20_000 // of a list of servers; some ten MB
	maxLists = 20
)

// graphs are the derivations that submissions read.
// Those that are submitted side by side have most of theirs in common: each
// derivation is read once, by whoever meets it first, and the others wait for
// it.
//
// A node is whole when all below it was read, checked and found to be whole.
// That travels upwards from those without inputs. There can be no circle that
// waits for itself, for a derivation's name follows from its inputs' names.
type graphs struct {
	mu    sync.Mutex                          // guards what follows, and the nodes; held for microseconds
	nodes map[string]map[storepath.Path]*node // by the servers: what one lacks, another may have
	users int                                 // submissions and walks under way; without any, the nodes are forgotten
	whole []*datastore.Node                   // to be stored
	many  chan struct{}                       // capacity 1: whole has so many that the writer should begin

	walks   []*walk // under way, the oldest first
	readers int
}

// A node is a derivation that is being read.
type node struct {
	datastore.Node                          // once read, the writer's
	known          map[storepath.Path]*node // has it unless it failed
	above          []*node                  // that wait for this one
	open           int                      // how many of the inputs are not whole yet
	stored         bool                     // the database knew it: it is not read
	ended          bool                     // it is whole, or err says why it will never be
	err            error                    // of it, or of one below
	done           chan struct{}            // closed when it has ended; nil while no submission asks
}

// errAbandoned is for those that wait for a node of a walk that failed
// elsewhere.
var errAbandoned = errors.New("the submission that was to read it failed")

// loadGraph reads a derivation and, recursively, those that it needs, as far as
// the database lacks them. The caller calls release when it has stored them.
func (c *Coordinator) loadGraph(ctx context.Context, urls []string, root storepath.Path) (_ *datastore.Node, release func(), err error) {
	g := &c.graphs
	g.mu.Lock()
	g.users++
	g.mu.Unlock()
	leave := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leave()
	}
	defer func() {
		if err != nil {
			leave()
		}
	}()
	for {
		g.mu.Lock()
		known := g.of(urls)
		n := known[root]
		if n == nil {
			n = c.beginWalk(urls, known, root)
		}
		if n.done == nil {
			n.done = make(chan struct{})
			if n.ended {
				close(n.done)
			}
		}
		g.mu.Unlock()
		select {
		case <-n.done:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		if !errors.Is(n.err, errAbandoned) {
			return &n.Node, leave, n.err
		}
	}
}

// of are the nodes that are read from some servers. The caller holds mu.
func (g *graphs) of(urls []string) map[storepath.Path]*node {
	key := strings.Join(urls, "\n")
	known := g.nodes[key]
	// Those who have begun go on with what is given up here.
	if known == nil || len(known) > maxKept {
		known = make(map[storepath.Path]*node)
		if g.nodes == nil || len(g.nodes) > maxLists {
			g.nodes = make(map[string]map[storepath.Path]*node)
		}
		g.nodes[key] = known
	}
	return known
}

// leave is for a submission or a walk that is done. The caller holds mu.
func (g *graphs) leave() {
	g.users--
	if g.users == 0 {
		g.nodes, g.whole = nil, nil
	}
}

// end says that a node is whole, or why it will never be, to all that wait.
// The caller holds mu.
func (g *graphs) end(n *node, err error) {
	for todo := []*node{n}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.ended {
			continue // it failed because of another one
		}
		n.ended, n.err = true, err
		if n.done != nil {
			close(n.done)
		}
		switch {
		case err != nil:
			delete(n.known, n.Path)
		case !n.stored:
			g.add(n)
		}
		for _, above := range n.above {
			if above.open--; above.open == 0 || err != nil {
				todo = append(todo, above)
			}
		}
		n.above = nil
	}
}
