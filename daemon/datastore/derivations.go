package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

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

// Unknown are those of some derivations that are not stored, in their order.
// What a transaction has stored that is under way may be among them.
func (q Queries) Unknown(ctx context.Context, paths []storepath.Path) ([]storepath.Path, error) {
	ask, sure := q.nodes.unknown(paths)
	if sure {
		return ask, nil
	}
	list, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	err = q.stmts.each(ctx, "derivations_known", []any{string(list)}, func(rows *sql.Rows) error {
		var at int
		err := rows.Scan(&at)
		ask[at] = ""
		return err
	})
	return slices.DeleteFunc(ask, func(path storepath.Path) bool { return path == "" }), err
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
	known, err := q.known(ctx, ids)
	s.Needs = make([]Need, len(ids))
	for i, id := range ids {
		s.Needs[i] = known[id]
		s.Needs[i].Output = id
	}
	return s, err
}

// known is what is known of those outputs of which something is. Of what came in
// after the newest of those, as most of a new graph does, nothing can be.
func (q Queries) known(ctx context.Context, outputs []int64) (map[int64]Need, error) {
	var last int64
	if _, err := q.stmts.row(ctx, "last_output_known", nil, &last); err != nil {
		return nil, err
	}
	var ask []int64
	for _, id := range outputs {
		if id <= last {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]Need)
	err = q.stmts.each(ctx, "outputs_known", []any{string(list)}, func(rows *sql.Rows) error {
		n, err := scanNeed(rows)
		known[n.Output] = n
		return err
	})
	return known, err
}

// Makes are the rows of the outputs of a stored derivation.
func (q Queries) Makes(ctx context.Context, derivation int64) ([]int64, error) {
	var makes []byte
	if _, err := q.stmts.row(ctx, "derivation_makes", []any{derivation}, &makes); err != nil {
		return nil, err
	}
	return unpackIDs(nil, makes)
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
