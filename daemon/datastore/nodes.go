package datastore

import (
	"sync"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// maxNodes is how many derivations a store remembers: those of a few of the
// largest graphs.
const maxNodes = 20_000

// nodes remembers rows of derivations that were met lately. Derivations are
// never deleted or changed, so what was committed once stays true.
type nodes struct {
	mu    sync.RWMutex // guards what follows
	known map[storepath.Path]knownNode
	all   bool // known has every derivation of the database: that was empty when it was opened
}

// knownNode is a derivation as those that need it see it.
type knownNode struct {
	id      int64
	outputs []NodeOutput
}

func (n *nodes) get(path storepath.Path) (knownNode, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	node, ok := n.known[path]
	return node, ok
}

// unknown are those of some derivations that are not remembered, in their order;
// sure tells whether they are not stored either.
func (n *nodes) unknown(paths []storepath.Path) (unknown []storepath.Path, sure bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, path := range paths {
		if _, ok := n.known[path]; !ok {
			unknown = append(unknown, path)
		}
	}
	return unknown, n.all || len(unknown) == 0
}

// add is for nodes that were committed.
func (n *nodes) add(more met) {
	if len(more) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known)+len(more) > maxNodes {
		n.all = n.all && n.known == nil
		n.known = make(map[storepath.Path]knownNode, len(more))
	}
	for _, node := range more {
		node.Inputs = nil
		if len(n.known) == maxNodes {
			n.all = false
			continue
		}
		n.known[node.Path] = knownNode{node.id, node.Outputs}
	}
}

// met are the nodes that a transaction stored or found.
type met []*Node

// back forgets all but the first so many.
func (m *met) back(n int) {
	for _, node := range (*m)[n:] {
		node.forget()
	}
	*m = (*m)[:n]
}
