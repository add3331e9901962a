package gbcimport

import (
	"context"
	"database/sql"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// graph is what the file knows of derivations.
type graph struct {
	nodes map[int64]*node
	made  map[int64]madeOutput // by row of derivation_outputs
}

// node is a derivation of the file.
type node struct {
	datastore.Node
	there  bool                // it was stored before the import
	broken string              // why it cannot be imported; empty if it can
	inputs map[int64]*[]string // names of outputs by the row of what makes them
	above  []int64             // what needs it
	below  int                 // how many of its inputs are not stored yet
}

type madeOutput struct {
	node int64
	name string
}

// importGraph imports derivations of which all is known: their outputs, and
// all that they need. We would never fetch again one that we have in part, and
// its builds would start before their inputs.
func (m *importer) importGraph(ctx context.Context) error {
	line := m.report.line("derivations")
	m.derivations = make(map[int64]storepath.Path)
	for _, t := range [][]string{{"derivations", "id", "name", "system_id"}, {"systems", "id", "system"}, {"outputs", "id", "output"},
		{"derivation_outputs", "id", "derivation_id", "name", "output_id"}, {"derivation_inputs", "derivation_id", "derivation_output_id"}} {
		if line.Lacking = m.lacks(t[0], t[1:]...); line.Lacking != "" {
			return nil
		}
	}
	g := &graph{nodes: make(map[int64]*node), made: make(map[int64]madeOutput)}
	if err := m.readNodes(ctx, g, line); err != nil {
		return err
	}
	if err := m.readOutputs(ctx, g); err != nil {
		return err
	}
	if err := m.readInputs(ctx, g); err != nil {
		return err
	}
	return m.storeGraph(ctx, g, line)
}

func (m *importer) readNodes(ctx context.Context, g *graph, line *Line) error {
	systems, err := m.texts(ctx, "systems", "system")
	if err != nil {
		return err
	}
	seen := make(map[storepath.Path]bool)
	return m.each(ctx, m.choose("derivations", "id#", "name", "system_id#", "fixed_output#"), func(row []sql.NullString) error {
		line.InFile++
		id := number(row[0])
		path, err := storepath.Parse(row[1].String)
		system := systems[number(row[2])]
		switch {
		case err != nil || !path.IsDerivation():
			line.skip(1, "the name is not the path of a derivation")
			return nil
		case seen[path]:
			line.skip(1, "the file has another derivation with this path")
			return nil
		case g.nodes[id] != nil:
			line.skip(1, "the file has another derivation with this number")
			return nil
		}
		seen[path] = true
		n := &node{inputs: make(map[int64]*[]string)}
		n.Path, n.System, n.Fixed = path, system, number(row[3]) != 0
		if system == "" || !isText(system) {
			n.broken = "the system is not known"
		}
		g.nodes[id] = n
		return nil
	})
}

// texts reads a table of texts that others refer to.
func (m *importer) texts(ctx context.Context, table, column string) (map[int64]string, error) {
	texts := make(map[int64]string)
	err := m.each(ctx, m.choose(table, "id#", column), func(row []sql.NullString) error {
		texts[number(row[0])] = row[1].String
		return nil
	})
	return texts, err
}

func (m *importer) readOutputs(ctx context.Context, g *graph) error {
	paths, err := m.texts(ctx, "outputs", "output")
	if err != nil {
		return err
	}
	err = m.each(ctx, m.choose("derivation_outputs", "id#", "derivation_id#", "name", "output_id#"), func(row []sql.NullString) error {
		name := row[2].String
		g.made[number(row[0])] = madeOutput{number(row[1]), name}
		n := g.nodes[number(row[1])]
		if n == nil {
			return nil
		}
		path, err := storepath.Parse(paths[number(row[3])])
		has := func(o datastore.NodeOutput) bool { return o.Name == name }
		switch {
		case err != nil:
			n.broken = "an output's path is not one"
		case name == "" || !isText(name):
			n.broken = "an output's name is not one"
		case slices.ContainsFunc(n.Outputs, has):
			n.broken = "two outputs have the same name"
		}
		n.Outputs = append(n.Outputs, datastore.NodeOutput{Name: name, Path: path})
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range g.nodes {
		if n.broken == "" && len(n.Outputs) == 0 {
			n.broken = "the file has none of the outputs"
		}
		// As guix-daemon sees it, whatever the file says.
		n.Fixed = n.Fixed && len(n.Outputs) == 1 && n.Outputs[0].Name == "out"
	}
	return nil
}

func (m *importer) readInputs(ctx context.Context, g *graph) error {
	return m.each(ctx, m.choose("derivation_inputs", "derivation_id#", "derivation_output_id#"), func(row []sql.NullString) error {
		id := number(row[0])
		n := g.nodes[id]
		if n == nil {
			return nil
		}
		needed, ok := g.made[number(row[1])]
		input := g.nodes[needed.node]
		if !ok || input == nil {
			if n.broken == "" {
				n.broken = "it needs what the file does not have"
			}
			return nil
		}
		names := n.inputs[needed.node]
		if names == nil {
			names = new([]string)
			n.inputs[needed.node] = names
			n.below++
			input.above = append(input.above, id)
		}
		*names = append(*names, needed.name)
		return nil
	})
}
