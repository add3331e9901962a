package gbcimport

import (
	"context"
	"maps"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// storeGraph stores what can be stored and counts the rest.
func (m *importer) storeGraph(ctx context.Context, g *graph, line *Line) error {
	for _, n := range g.nodes {
		row, err := m.DerivationID(ctx, n.Path)
		if err != nil {
			return err
		}
		if n.there = row != 0; n.there {
			n.Outputs = nil // the database knows better
		}
	}
	order := g.order()
	var nodes []*datastore.Node
	for _, id := range order {
		if n := g.nodes[id]; !n.there {
			n.Inputs = g.inputs(n)
			nodes = append(nodes, &n.Node)
		}
	}
	refused, err := m.storeNodes(ctx, nodes)
	if err != nil {
		return err
	}
	for _, id := range order {
		switch n := g.nodes[id]; {
		case n.there:
			line.There++
		case refused[n.Path]:
			line.skip(1, "what the farm knows contradicts it or one that it needs")
			delete(g.nodes, id)
			continue
		default:
			line.Imported++
		}
		m.derivations[id] = g.nodes[id].Path
		delete(g.nodes, id)
	}
	for _, id := range slices.Sorted(maps.Keys(g.nodes)) {
		why := g.nodes[id].broken
		if why == "" {
			why = "it needs a derivation that is skipped, or itself"
		}
		line.skip(1, why)
	}
	return nil
}

// order lists the derivations that are whole, each after those that it needs.
// Those left out are broken, or need one that is, or themselves.
func (g *graph) order() []int64 {
	var order []int64
	for id, n := range g.nodes {
		if n.there || n.below == 0 && n.broken == "" {
			order = append(order, id)
		}
	}
	slices.Sort(order) // the same file gives the same database
	for i := 0; i < len(order); i++ {
		for _, id := range g.nodes[order[i]].above {
			n := g.nodes[id]
			if n.below--; n.below == 0 && n.broken == "" && !n.there {
				order = append(order, id)
			}
		}
	}
	return order
}

func (g *graph) inputs(n *node) []datastore.NodeInput {
	inputs := make([]datastore.NodeInput, 0, len(n.inputs))
	for _, id := range slices.Sorted(maps.Keys(n.inputs)) {
		inputs = append(inputs, datastore.NodeInput{Node: &g.nodes[id].Node, Outputs: *n.inputs[id]})
	}
	return inputs
}

// storeNodes stores derivations together or, which takes longer, one by one if
// some contradict what is stored already; it returns those.
func (m *importer) storeNodes(ctx context.Context, nodes []*datastore.Node) (refused map[storepath.Path]bool, err error) {
	err = m.Part(ctx, func() error { return m.InsertGraph(ctx, nodes...) })
	if daemon.CodeOf(err) != daemon.Invalid {
		return nil, err
	}
	refused = make(map[storepath.Path]bool)
	for _, n := range nodes {
		err := m.Part(ctx, func() error { return m.InsertGraph(ctx, n) })
		if daemon.CodeOf(err) == daemon.Invalid {
			refused[n.Path] = true
		} else if err != nil {
			return nil, err
		}
	}
	return refused, nil
}
