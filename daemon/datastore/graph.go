package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/mattn/go-sqlite3"
)

// A Node is a derivation of a graph.
type Node struct {
	Path       storepath.Path
	Derivation *derivation.Derivation
}

// Columns of the rows that derivation_insert and derivation_output_insert take.
const (
	derivationColumns = 7
	outputColumns     = 3
)

// InsertGraph stores derivations, each of which follows those that it refers
// to, or these are stored already. Those that are there stay as they are.
func (t *Tx) InsertGraph(ctx context.Context, graph []Node) (err error) {
	before := len(t.met.order)
	defer func() {
		if err != nil {
			t.met.back(before) // not all of these have their rows
		}
	}()
	fresh := make([]Node, 0, len(graph))
	for _, n := range graph {
		_, met := t.met.nodes[n.Path]
		if _, known := t.nodes.get(n.Path); !met && !known {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	// Mostly all of them are new: whoever reads derivations asks before.
	err = t.Part(ctx, func() error { return t.insertFresh(ctx, fresh) })
	var e sqlite3.Error
	if !errors.As(err, &e) || e.ExtendedCode != sqlite3.ErrConstraintUnique {
		return err
	}
	if fresh, err = t.unknown(ctx, fresh); err != nil || len(fresh) == 0 {
		return err
	}
	return t.insertFresh(ctx, fresh)
}

// unknown is the part of a graph that is not stored.
func (t *Tx) unknown(ctx context.Context, graph []Node) ([]Node, error) {
	paths := make([]storepath.Path, len(graph))
	for i, n := range graph {
		paths[i] = n.Path
	}
	unknown, err := t.Unknown(ctx, paths)
	if err != nil {
		return nil, err
	}
	fresh := make([]Node, 0, len(unknown))
	for _, n := range graph {
		if len(unknown) > 0 && n.Path == unknown[0] {
			fresh, unknown = append(fresh, n), unknown[1:]
		}
	}
	return fresh, nil
}

// insertFresh stores derivations that are not stored.
func (t *Tx) insertFresh(ctx context.Context, fresh []Node) error {
	g := graphInsertion{Tx: t, systems: make(map[string]int64)}
	outputs, err := g.insertOutputs(ctx, fresh)
	if err != nil {
		return err
	}
	if _, err := t.stmts.row(ctx, "last_derivation", nil, &g.last); err != nil {
		return err
	}
	g.derivations = make([]any, 0, len(fresh)*derivationColumns)
	g.outputs = make([]any, 0, len(outputs)*outputColumns)
	g.packed = make([]byte, 0, len(fresh)*packedSize)
	for _, n := range fresh {
		made := len(n.Derivation.Outputs)
		if err := g.add(ctx, n, outputs[:made]); err != nil {
			return err
		}
		outputs = outputs[made:]
	}
	if _, err := t.stmts.insertMany(ctx, "derivation_insert", derivationColumns, g.derivations); err != nil {
		return err
	}
	_, err = t.stmts.insertMany(ctx, "derivation_output_insert", outputColumns, g.outputs)
	return err
}

// packedSize is about what the lists of row numbers of a derivation take.
const packedSize = 64

// graphInsertion collects the rows of a graph, so that they are inserted in
// few statements: those cost more than the rows.
type graphInsertion struct {
	*Tx
	last        int64 // row of derivations
	systems     map[string]int64
	derivations []any   // rows to insert, column after column
	outputs     []any   // of derivation_outputs
	packed      []byte  // lists of row numbers in these rows
	inputs      []int64 // of the last derivation, like needs; room for the next
	needs       []int64
}

// pack packs row numbers.
func (g *graphInsertion) pack(ids []int64) []byte {
	start := len(g.packed)
	g.packed = appendIDs(g.packed, ids)
	return g.packed[start:len(g.packed):len(g.packed)]
}

// insertOutputs stores the outputs of derivations and returns their rows, one
// after the other. Some may be there: two downloads can make the same.
func (g *graphInsertion) insertOutputs(ctx context.Context, graph []Node) ([]int64, error) {
	var last int64
	if _, err := g.stmts.row(ctx, "last_output", nil, &last); err != nil {
		return nil, err
	}
	ids, rows := make([]int64, 0, len(graph)), make([]any, 0, 2*len(graph))
	for _, n := range graph {
		for _, o := range n.Derivation.Outputs {
			last++
			ids = append(ids, last)
			rows = append(rows, last, string(o.Path))
		}
	}
	inserted, err := g.stmts.insertMany(ctx, "output_insert", 2, rows)
	if err != nil || inserted == int64(len(ids)) {
		return ids, err
	}
	paths := make([]string, len(ids))
	for i := range ids {
		paths[i] = rows[2*i+1].(string)
	}
	list, err := json.Marshal(paths)
	if err != nil {
		return nil, err
	}
	err = g.stmts.each(ctx, "output_ids", []any{string(list)}, func(rows *sql.Rows) error {
		var at int
		var id int64
		err := rows.Scan(&at, &id)
		ids[at] = id
		return err
	})
	return ids, err
}

// add makes the rows of a derivation, whose inputs have theirs.
func (g *graphInsertion) add(ctx context.Context, n Node, made []int64) error {
	if _, met := g.met.nodes[n.Path]; met {
		return nil // twice in the graph
	}
	inputs, needs := g.inputs[:0], g.needs[:0]
	for _, in := range n.Derivation.Inputs {
		node, err := g.input(ctx, in.Path)
		if err != nil {
			return err
		}
		if node.id == 0 {
			return daemon.Errorf(daemon.Invalid, "%s refers to %s, which is not known", n.Path, in.Path)
		}
		inputs = append(inputs, node.id)
		for _, name := range in.Outputs {
			output := node.output(name)
			if output == 0 {
				return daemon.Errorf(daemon.Invalid, "%s needs the output %q of %s, which has no such output", n.Path, name, in.Path)
			}
			needs = append(needs, output)
		}
	}
	system, err := g.system(ctx, n.Derivation.System)
	if err != nil {
		return err
	}
	g.last++
	node := inputNode{id: g.last, outputs: make([]nodeOutput, len(made))}
	for i, o := range n.Derivation.Outputs {
		node.outputs[i] = nodeOutput{o.Name, made[i]}
		g.outputs = append(g.outputs, node.id, o.Name, made[i])
	}
	g.derivations = append(g.derivations, node.id, string(n.Path), system, n.Derivation.Fixed(),
		g.pack(inputs), g.pack(needs), g.pack(slices.Clone(made)))
	g.inputs, g.needs = inputs, needs
	g.met.add(n.Path, node)
	return nil
}

// input finds a derivation that another one refers to; its id is zero if it is
// not stored.
func (g *graphInsertion) input(ctx context.Context, path storepath.Path) (inputNode, error) {
	if node, ok := g.met.nodes[path]; ok {
		return node, nil
	}
	node, ok := g.nodes.get(path)
	if ok {
		return node, nil
	}
	id, err := g.DerivationID(ctx, path)
	if id == 0 || err != nil {
		return node, err
	}
	node.id = id
	err = g.stmts.each(ctx, "derivation_outputs", []any{id}, func(rows *sql.Rows) error {
		var o nodeOutput
		var path string
		err := rows.Scan(&o.name, &path, &o.id)
		node.outputs = append(node.outputs, o)
		return err
	})
	if err == nil {
		g.met.add(path, node)
	}
	return node, err
}

func (g *graphInsertion) system(ctx context.Context, system string) (id int64, err error) {
	if id := g.systems[system]; id != 0 {
		return id, nil
	}
	found, err := g.stmts.row(ctx, "system_id", []any{system}, &id)
	if !found && err == nil {
		id, err = g.stmts.insert(ctx, "system_insert", system)
	}
	g.systems[system] = id
	return id, err
}
