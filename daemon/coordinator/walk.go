package coordinator

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A walk reads what one submission was the first to meet. It goes on when
// the submission is given up, for others may wait for what it reads.
//
// What is in the store of this machine costs only the processor's time. A few
// readers read it for all walks, for the oldest first: so nodes are whole soon,
// and the writer stores them while others are read. What must be fetched is
// fetched for all walks side by side.
type walk struct {
	*Coordinator
	urls     []string
	known    map[storepath.Path]*node // those of the same servers
	root     *node
	ask      []*node // of which the database may know; guarded by graphs.mu, like all that follows
	read     []*node // of which it does not
	far      []*node // that are not in the store here
	met      int     // nodes in all
	busy     int     // who reads or fetches one of them
	fetchers int
}

// Limits of a walk. The largest real graphs have some ten thousand nodes.
const (
	maxGraph     = 200_000 // derivations
	graphFetches = 16      // from servers at the same time, for one submission
	maxAsked     = 256     // derivations that the database is asked for at once
	enoughAsked  = 64      // for which it is asked before others are read: going down first, parts are whole soon
)

// maxReaders is how many readers there are: some may wait for the disk.
var maxReaders = max(4, runtime.GOMAXPROCS(0))

// beginWalk starts a walk at a node. The caller holds mu.
func (c *Coordinator) beginWalk(urls []string, known map[storepath.Path]*node, root storepath.Path) *node {
	w := &walk{Coordinator: c, urls: urls, known: known}
	w.root = w.meet(root)
	c.graphs.users++
	c.graphs.walks = append(c.graphs.walks, w)
	c.graphs.hire()
	return w.root
}

// meet makes a node, to be read by this walk. The caller holds mu.
func (w *walk) meet(path storepath.Path) *node {
	path = storepath.Path(strings.Clone(string(path))) // a part of a long text
	n := &node{Node: datastore.Node{Path: path}, known: w.known}
	w.known[path] = n
	w.ask = append(w.ask, n)
	w.met++
	return n
}

// next is the walk to read for. The caller holds mu.
func (g *graphs) next() *walk {
	for _, w := range g.walks {
		if len(w.ask)+len(w.read) > 0 {
			return w
		}
	}
	return nil
}

// hire starts a reader if there is work for one more. The caller holds mu.
func (g *graphs) hire() {
	if g.readers < maxReaders && g.next() != nil {
		g.readers++
		go g.reader()
	}
}

// reader reads for the walks until there is nothing to read.
func (g *graphs) reader() {
	r := readings.Get().(*reading)
	defer readings.Put(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		w := g.next()
		if w == nil {
			g.readers--
			return
		}
		w.busy++
		if len(w.read) > 0 && len(w.ask) < enoughAsked {
			w.readOne(r)
		} else {
			w.askSome()
		}
		w.rest()
	}
}

// readOne reads one derivation in the store. The caller holds mu.
func (w *walk) readOne(r *reading) {
	g := &w.graphs
	n := w.read[len(w.read)-1]
	w.read = w.read[:len(w.read)-1]
	g.hire()
	g.mu.Unlock()
	err := w.readDerivation(r, n.Path)
	g.mu.Lock()
	if !errors.Is(err, fs.ErrNotExist) {
		w.enter(n, r, err)
		return
	}
	w.far = append(w.far, n)
	if w.fetchers < graphFetches {
		w.fetchers++
		go w.fetcher()
	}
}

// fetcher fetches what is not in the store.
func (w *walk) fetcher() {
	r := readings.Get().(*reading)
	defer readings.Put(r)
	g := &w.graphs
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(w.far) > 0 {
		n := w.far[len(w.far)-1]
		w.far = w.far[:len(w.far)-1]
		w.busy++
		g.mu.Unlock()
		err := w.fetchDerivation(r, w.urls, n.Path)
		g.mu.Lock()
		w.enter(n, r, err)
		w.rest()
	}
	w.fetchers--
}

// askSome asks the database which nodes it knows. The caller holds mu.
func (w *walk) askSome() {
	g := &w.graphs
	asked := w.ask[max(0, len(w.ask)-maxAsked):]
	w.ask = w.ask[: len(w.ask)-len(asked) : len(w.ask)-len(asked)]
	g.mu.Unlock()
	unknown, err := w.unknown(asked)
	g.mu.Lock()
	for _, n := range asked {
		switch {
		case err != nil:
			g.end(n, err)
		case len(unknown) > 0 && n.Path == unknown[0]:
			unknown = unknown[1:]
			w.read = append(w.read, n)
		default:
			n.stored = true
			g.end(n, nil)
		}
	}
}

// unknown asks the database.
func (w *walk) unknown(nodes []*node) ([]storepath.Path, error) {
	paths := make([]storepath.Path, len(nodes))
	for i, n := range nodes {
		paths[i] = n.Path
	}
	return w.Store.Unknown(context.Background(), paths)
}

// enter takes what came of a node. The caller holds mu.
func (w *walk) enter(n *node, r *reading, err error) {
	if err == nil && w.met > maxGraph {
		err = daemon.Errorf(daemon.TooLarge, "%s has more than %d derivations below it", w.root.Path, maxGraph)
	}
	if err != nil {
		w.graphs.end(n, err)
	} else {
		w.link(n, &r.links.Derivation)
	}
}

// rest is for who was busy with the walk: that may be over now, or there is
// more to do. The caller holds mu.
func (w *walk) rest() {
	g := &w.graphs
	w.busy--
	if w.root.err != nil {
		for _, n := range slices.Concat(w.read, w.ask, w.far) {
			g.end(n, errAbandoned)
		}
		w.read, w.ask, w.far = nil, nil, nil
	}
	if w.busy == 0 && len(w.read)+len(w.ask)+len(w.far) == 0 {
		g.walks = slices.DeleteFunc(g.walks, func(other *walk) bool { return other == w })
		g.leave()
	}
	g.hire()
}

// link enters a derivation that was read. The caller holds mu.
func (w *walk) link(n *node, drv *derivation.Derivation) {
	n.Set(drv, func(path storepath.Path) *datastore.Node {
		m := w.known[path]
		if m == nil {
			m = w.meet(path)
		}
		if !m.ended {
			m.above = append(m.above, n)
			n.open++
		}
		return &m.Node
	})
	if n.open == 0 {
		w.graphs.end(n, nil)
	}
}
