package coordinator

import (
	"slices"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// The writer stores the whole nodes of large graphs while the rest is read,
// for otherwise it would have to wait for the first submission's last input. A
// derivation that no build refers to is knowledge that does no harm, should
// the submission fail or the coordinator die. What is left of a graph is stored
// with the build, in one transaction.
const (
	manyWhole = 500 // make a transaction of their own
	someWhole = 50  // are taken along by the next
)

// add is for a node that is whole and not stored. The caller holds mu.
func (g *graphs) add(n *node) {
	g.whole = append(g.whole, n)
	if len(g.whole) >= manyWhole {
		select {
		case g.many <- struct{}{}:
		default: // the writer has been told, and takes all that there are then
		}
	}
}

// take returns whole nodes to store, each after its inputs; none if it is not
// worthwhile. Only the writer calls it.
func (g *graphs) take() []*node {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.whole) < someWhole {
		return nil
	}
	whole := g.whole
	g.whole = nil
	return slices.DeleteFunc(whole, func(n *node) bool { return n.stored })
}

// storeGraph stores what is not stored yet of a whole graph.
func (ch *change) storeGraph(root *node) error { return ch.storeNodes(inOrder(ch.Tx, root)) }

// storeNodes stores nodes, each of which follows its inputs.
func (ch *change) storeNodes(order []*node) error {
	if len(order) == 0 {
		return nil
	}
	graph := make([]datastore.Node, len(order))
	for i, n := range order {
		n.tx = ch.Tx
		graph[i] = datastore.Node{Path: n.path, Derivation: n.drv}
	}
	ch.undo = append(ch.undo, func() {
		for _, n := range order {
			n.tx = nil
		}
	})
	ch.then = append(ch.then, func() {
		for _, n := range order {
			n.stored, n.drv, n.inputs = true, nil, nil
		}
	})
	return ch.InsertGraph(ch.ctx, graph)
}

// inOrder lists what is not stored yet of a graph so that inputs come first,
// and marks it as stored by the transaction.
func inOrder(tx *datastore.Tx, root *node) (order []*node) {
	type frame struct {
		node *node
		next int // the input to visit next
	}
	var stack []frame
	visit := func(n *node) {
		if !n.stored && n.tx != tx {
			n.tx = tx
			stack = append(stack, frame{node: n})
		}
	}
	visit(root)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next < len(top.node.inputs) {
			top.next++
			visit(top.node.inputs[top.next-1])
			continue
		}
		order = append(order, top.node)
		stack = stack[:len(stack)-1]
	}
	return order
}
