package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// DerivationID is the row of a derivation; zero if it is not known.
func (q Queries) DerivationID(ctx context.Context, path storepath.Path) (int64, error) {
	if node, ok := q.nodes.get(path); ok {
		return node.id, nil
	}
	var id int64
	_, err := q.stmts.row(ctx, "derivation_id", []any{string(path)}, &id)
	return id, err
}

// A Node is a derivation of a graph.
type Node struct {
	Path       storepath.Path
	Derivation *derivation.Derivation
}

// InsertGraph stores derivations, each of which follows those that it refers
// to, or these are stored already. Those that are there stay as they are.
func (t *Tx) InsertGraph(ctx context.Context, graph []Node) error {
	g := graphInsertion{Tx: t, systems: make(map[string]int64)}
	for _, n := range graph {
		if err := g.insert(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// graphInsertion remembers the rows that it met.
type graphInsertion struct {
	*Tx
	systems map[string]int64
}

func (g *graphInsertion) insert(ctx context.Context, n Node) error {
	if _, met := g.met[n.Path]; met {
		return nil
	}
	if id, err := g.DerivationID(ctx, n.Path); id != 0 || err != nil {
		return err
	}
	var inputs, needs []int64
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
			output, ok := node.outputs[name]
			if !ok {
				return daemon.Errorf(daemon.Invalid, "%s needs the output %q of %s, which has no such output", n.Path, name, in.Path)
			}
			needs = append(needs, output)
		}
	}
	node := inputNode{outputs: make(map[string]int64, len(n.Derivation.Outputs))}
	var makes []int64
	for _, o := range n.Derivation.Outputs {
		var id int64
		if _, err := g.stmts.row(ctx, "output_id", []any{string(o.Path)}, &id); err != nil {
			return err
		}
		node.outputs[o.Name] = id
		makes = append(makes, id)
	}
	system, err := g.system(ctx, n.Derivation.System)
	if err != nil {
		return err
	}
	node.id, err = g.stmts.insert(ctx, "derivation_insert", string(n.Path), system, n.Derivation.Fixed(),
		packIDs(inputs), packIDs(needs), packIDs(makes))
	if err != nil {
		return err
	}
	for name, output := range node.outputs {
		if _, err := g.stmts.exec(ctx, "derivation_output_insert", node.id, name, output); err != nil {
			return err
		}
	}
	g.met[n.Path] = node
	return nil
}

// input finds a derivation that another one refers to; its id is zero if it is
// not stored.
func (g *graphInsertion) input(ctx context.Context, path storepath.Path) (inputNode, error) {
	if node, ok := g.met[path]; ok {
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
	node = inputNode{id, make(map[string]int64)}
	err = g.stmts.each(ctx, "derivation_outputs", []any{id}, func(rows *sql.Rows) error {
		var name, path string
		var output int64
		err := rows.Scan(&name, &path, &output)
		node.outputs[name] = output
		return err
	})
	if err == nil {
		g.met[path] = node
	}
	return node, err
}

func (g *graphInsertion) system(ctx context.Context, system string) (id int64, err error) {
	if id := g.systems[system]; id != 0 {
		return id, nil
	}
	if _, err := g.stmts.exec(ctx, "system_insert", system); err != nil {
		return 0, err
	}
	_, err = g.stmts.row(ctx, "system_id", []any{system}, &id)
	g.systems[system] = id
	return id, err
}

// A Need is an output that a derivation needs, with what is known of it.
type Need struct {
	Output int64 // row of the output
	Built  bool  // a build of the farm made it
	Failed int64 // row of the newest failed build of it, unless it was built; or zero
	Lost   bool  // an agent said that it cannot get it, and nobody made it since
}

// Shape is what the scheduler must know of a derivation.
type Shape struct {
	System string
	Makes  []int64 // rows of outputs
	Needs  []Need
}

// Shape is the shape of a stored derivation.
func (q Queries) Shape(ctx context.Context, derivation int64) (s Shape, err error) {
	var makes, needs []byte
	if _, err = q.stmts.row(ctx, "derivation", []any{derivation}, &s.System, &makes, &needs); err != nil {
		return s, err
	}
	if s.Makes, err = unpackIDs(nil, makes); err != nil {
		return s, err
	}
	ids, err := unpackIDs(nil, needs)
	if err != nil || len(ids) == 0 {
		return s, err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return s, err
	}
	known := make(map[int64]Need)
	err = q.stmts.each(ctx, "outputs_known", []any{string(list)}, func(rows *sql.Rows) error {
		n, err := scanNeed(rows)
		known[n.Output] = n
		return err
	})
	for _, id := range ids {
		n := known[id]
		n.Output = id
		s.Needs = append(s.Needs, n)
	}
	return s, err
}

// scanNeed reads a row of outputs_known or all_outputs_known.
func scanNeed(rows *sql.Rows) (n Need, err error) {
	var failed sql.NullInt64
	err = rows.Scan(&n.Output, &n.Built, &failed, &n.Lost)
	n.Failed = failed.Int64
	return n, err
}

// A DerivationRef is a stored derivation.
type DerivationRef struct {
	ID   int64
	Path storepath.Path
}

// InputsWithoutBuild lists the derivations below one, in an order in which
// every one follows its inputs, whose outputs no build makes that did not get
// canceled. The caller must submit builds of them all: this remembers that
// nothing is missing there any more, and does not look again.
func (t *Tx) InputsWithoutBuild(ctx context.Context, derivation int64) ([]DerivationRef, error) {
	var missing []DerivationRef
	seen := map[int64]bool{derivation: true}
	for stack := []int64{derivation}; len(stack) > 0; {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		var path string
		var packed []byte
		var complete bool
		if _, err := t.stmts.row(ctx, "derivation_inputs", []any{id}, &path, &packed, &complete); err != nil {
			return nil, err
		}
		if id != derivation {
			has, err := t.OutputsHaveBuild(ctx, id)
			if err != nil {
				return nil, err
			}
			if !has {
				missing = append(missing, DerivationRef{id, storepath.Path(path)})
			}
		}
		if complete {
			continue
		}
		if _, err := t.stmts.exec(ctx, "complete_graph_insert", id); err != nil {
			return nil, err
		}
		inputs, err := unpackIDs(nil, packed)
		if err != nil {
			return nil, err
		}
		for _, in := range inputs {
			if !seen[in] {
				seen[in] = true
				stack = append(stack, in)
			}
		}
	}
	// Inputs were stored before what needs them.
	slices.SortFunc(missing, func(a, b DerivationRef) int { return int(a.ID - b.ID) })
	return missing, nil
}

// DerivationHasBuild tells whether a derivation has a build that did not get
// canceled.
func (q Queries) DerivationHasBuild(ctx context.Context, derivation int64) (has bool, err error) {
	_, err = q.stmts.row(ctx, "derivation_has_build", []any{derivation}, &has)
	return has, err
}

// OutputsHaveBuild tells whether there is a build, not canceled, of any
// derivation that makes one of this derivation's outputs.
func (q Queries) OutputsHaveBuild(ctx context.Context, derivation int64) (has bool, err error) {
	_, err = q.stmts.row(ctx, "outputs_have_build", []any{derivation}, &has)
	return has, err
}
