package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/mattn/go-sqlite3"
)

// Columns of the rows that derivation_insert and derivation_output_insert take.
const (
	derivationColumns = 6
	outputColumns     = 3
)

// InsertGraph stores derivations and, before them, those that they refer to, as
// far as they are not stored. Those that are there stay as they are.
func (t *Tx) InsertGraph(ctx context.Context, graph ...*Node) (err error) {
	before := len(t.met)
	defer func() {
		if err != nil {
			t.met.back(before) // not all of these have their rows
		}
	}()
	fresh, err := t.list(ctx, graph)
	if err != nil || len(fresh) == 0 {
		return err
	}
	// Mostly all of them are new: whoever reads derivations asks before.
	err = t.Part(ctx, func() error { return t.insertFresh(ctx, fresh) })
	var e sqlite3.Error
	if !errors.As(err, &e) || e.ExtendedCode != sqlite3.ErrConstraintUnique {
		return err
	}
	for _, n := range fresh {
		n.forget()
	}
	for _, n := range fresh {
		if err := t.find(ctx, n); err != nil {
			return err
		}
		missing, err := t.list(ctx, []*Node{n})
		if err == nil && len(missing) > 0 {
			err = t.insertFresh(ctx, missing)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insertFresh stores derivations that are not stored.
func (t *Tx) insertFresh(ctx context.Context, fresh []*Node) error {
	made, err := t.insertOutputs(ctx, fresh)
	if err != nil {
		return err
	}
	g := graphInsertion{Tx: t, systems: make(map[string]int64)}
	g.derivations = make([]any, 0, len(fresh)*derivationColumns)
	g.outputs = make([]any, 0, made*outputColumns)
	g.packed = make([]byte, 0, len(fresh)*packedSize)
	for _, n := range fresh {
		if err := g.add(ctx, n); err != nil {
			return err
		}
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
	systems     map[string]int64
	derivations []any   // rows to insert, column after column
	outputs     []any   // of derivation_outputs
	packed      []byte  // lists of row numbers in these rows
	ids         []int64 // of the last such list; room for the next
}

// pack packs row numbers.
func (g *graphInsertion) pack(ids []int64) []byte {
	start := len(g.packed)
	g.packed = appendIDs(g.packed, ids)
	return g.packed[start:len(g.packed):len(g.packed)]
}

// insertOutputs stores the outputs of derivations and enters their rows; it
// returns how many they are. Some may be there: two downloads can make the same.
func (t *Tx) insertOutputs(ctx context.Context, graph []*Node) (made int, err error) {
	var last int64
	if _, err := t.stmts.row(ctx, "last_output", nil, &last); err != nil {
		return 0, err
	}
	for _, n := range graph {
		made += len(n.Outputs)
	}
	rows := make([]any, 0, made)
	for _, n := range graph {
		for i := range n.Outputs {
			last++
			n.Outputs[i].id = last
			rows = append(rows, string(n.Outputs[i].Path))
		}
	}
	inserted, err := t.stmts.insertMany(ctx, "output_insert", 1, rows)
	if err != nil || inserted == int64(made) {
		return made, err
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return 0, err
	}
	ids := make([]int64, made)
	err = t.stmts.each(ctx, "output_ids", []any{string(list)}, func(rows *sql.Rows) error {
		var at int
		var id int64
		err := rows.Scan(&at, &id)
		ids[at] = id
		return err
	})
	for _, n := range graph {
		for i := range n.Outputs {
			n.Outputs[i].id, ids = ids[0], ids[1:]
		}
	}
	return made, err
}

// add makes the rows of a derivation, whose inputs and outputs have theirs.
func (g *graphInsertion) add(ctx context.Context, n *Node) error {
	g.ids = g.ids[:0]
	for _, in := range n.Inputs {
		g.ids = append(g.ids, in.Node.id)
	}
	inputs := g.pack(g.ids)
	g.ids = g.ids[:0]
	for _, in := range n.Inputs {
		for _, name := range in.Outputs {
			output := in.Node.output(name)
			if output == 0 {
				return daemon.Errorf(daemon.Invalid, "%s needs the output %q of %s, which has no such output", n.Path, name, in.Node.Path)
			}
			g.ids = append(g.ids, output)
		}
	}
	needs := g.pack(g.ids)
	g.ids = g.ids[:0]
	for i := range n.Outputs {
		o := &n.Outputs[i]
		g.ids = append(g.ids, o.id)
		g.outputs = append(g.outputs, n.id, o.Name, o.id)
	}
	system, err := g.system(ctx, n.System)
	if err != nil {
		return err
	}
	g.derivations = append(g.derivations, string(n.Path), system, n.Fixed, inputs, needs, g.pack(g.ids))
	return nil
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
