package datastore

import (
	"strings"
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
	outputs []nodeOutput
}

type nodeOutput struct {
	name string
	id   int64 // row of outputs
}

// output is the row of the output with a name; zero if there is none.
func (n *inputNode) output(name string) int64 {
	for _, o := range n.outputs {
		if o.name == name {
			return o.id
		}
	}
	return 0
}

func (n *nodes) get(path storepath.Path) (inputNode, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	node, ok := n.known[path]
	return node, ok
}

func (n *nodes) add(more met) {
	if len(more.order) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known)+len(more.order) > maxNodes {
		n.known = make(map[storepath.Path]inputNode, len(more.order))
	}
	for _, path := range more.order {
		if len(n.known) == maxNodes {
			return
		}
		node := more.nodes[path]
		for i, o := range node.outputs {
			node.outputs[i].name = strings.Clone(o.name)
		}
		n.known[storepath.Path(strings.Clone(string(path)))] = node // path may be a part of a long text
	}
}

// met are derivations that a transaction stored or looked up.
type met struct {
	nodes map[storepath.Path]inputNode
	order []storepath.Path
}

func (m *met) add(path storepath.Path, node inputNode) {
	if m.nodes == nil {
		m.nodes = make(map[storepath.Path]inputNode)
	}
	m.nodes[path] = node
	m.order = append(m.order, path)
}

// back forgets all but the first so many.
func (m *met) back(n int) {
	for _, path := range m.order[n:] {
		delete(m.nodes, path)
	}
	m.order = m.order[:n]
}
