package coordinator

import (
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// maxParsed is how many derivations wait in memory for their commit at most;
// some hundred MB with large ones.
const maxParsed = 20_000

// parsed are derivations that were fetched and checked and are not committed
// yet. Graphs that are submitted at the same time have most of theirs in
// common: without this each would fetch and check them for itself until the
// first one is stored.
type parsed struct {
	mu   sync.Mutex // guards drvs
	drvs map[storepath.Path]*derivation.Derivation
}

func (p *parsed) get(path storepath.Path) *derivation.Derivation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drvs[path]
}

func (p *parsed) put(path storepath.Path, drv *derivation.Derivation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drvs == nil || len(p.drvs) >= maxParsed {
		p.drvs = make(map[storepath.Path]*derivation.Derivation)
	}
	p.drvs[path] = drv
}

// forget is for a graph that was stored, or will not be.
func (p *parsed) forget(graph []datastore.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range graph {
		delete(p.drvs, n.Path)
	}
}
