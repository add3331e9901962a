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
	mu    sync.RWMutex // guards known
	known map[storepath.Path]inputNode
}

// inputNode is a derivation as those that need it see it.
type inputNode struct {
	id      int64
	outputs map[string]int64 // rows by name
}

func (n *nodes) get(path storepath.Path) (inputNode, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	node, ok := n.known[path]
	return node, ok
}

func (n *nodes) add(more map[storepath.Path]inputNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known)+len(more) > maxNodes {
		n.known = make(map[storepath.Path]inputNode)
	}
	for path, node := range more {
		if len(n.known) < maxNodes {
			n.known[path] = node
		}
	}
}
