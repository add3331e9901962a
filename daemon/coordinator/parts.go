package coordinator

import "codeberg.org/tbfg/tbfg/daemon/datastore"

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
	g.whole = append(g.whole, &n.Node)
	if len(g.whole) >= manyWhole {
		select {
		case g.many <- struct{}{}:
		default: // the writer has been told, and takes all that there are then
		}
	}
}

// take returns whole nodes to store, of which some may have been stored with a
// build; none if it is not worthwhile. Only the writer calls it.
func (g *graphs) take() (whole []*datastore.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.whole) >= someWhole {
		whole, g.whole = g.whole, nil
	}
	return whole
}
