package datastore

import (
	"context"
	"database/sql"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// DerivationID is the row of a derivation; zero if it is not known.
func (q Queries) DerivationID(ctx context.Context, path storepath.Path) (int64, error) {
	var id int64
	_, err := q.stmts.row(ctx, "derivation_id", []any{string(path)}, &id)
	return id, err
}

// InsertDerivation stores a derivation whose inputs are stored already, and
// returns its row. One that is there stays as it is.
func (t *Tx) InsertDerivation(ctx context.Context, path storepath.Path, d *derivation.Derivation) (int64, error) {
	if id, err := t.DerivationID(ctx, path); id != 0 || err != nil {
		return id, err
	}
	if _, err := t.stmts.exec(ctx, "system_insert", d.System); err != nil {
		return 0, err
	}
	fixed := len(d.Outputs) == 1 && d.Outputs[0].Fixed()
	id, err := t.stmts.insert(ctx, "derivation_insert", string(path), d.System, fixed)
	if err != nil {
		return 0, err
	}
	for _, o := range d.Outputs {
		if _, err := t.stmts.exec(ctx, "output_insert", string(o.Path)); err != nil {
			return 0, err
		}
		if _, err := t.stmts.exec(ctx, "derivation_output_insert", id, o.Name, string(o.Path)); err != nil {
			return 0, err
		}
	}
	for _, in := range d.Inputs {
		for _, name := range in.Outputs {
			n, err := t.stmts.exec(ctx, "derivation_input_insert", id, string(in.Path), name)
			if err != nil {
				return 0, err
			}
			if n == 0 {
				return 0, daemon.Errorf(daemon.Invalid, "%s needs the output %q of %s, which has no such output", path, name, in.Path)
			}
		}
	}
	return id, nil
}

// A Need is an output that a derivation needs.
type Need struct {
	Output int64 // row of the output
	Built  bool  // a build of the farm made it
	Failed int64 // row of the last failed build of it, if none made it; or zero
}

// Needs are the outputs of other derivations that a derivation needs.
func (q Queries) Needs(ctx context.Context, derivation int64) ([]Need, error) {
	var needs []Need
	err := q.stmts.each(ctx, "derivation_needs", []any{derivation}, func(rows *sql.Rows) error {
		var n Need
		var built sql.NullBool
		var failed sql.NullInt64
		if err := rows.Scan(&n.Output, &built, &failed); err != nil {
			return err
		}
		if n.Built = built.Bool; !n.Built {
			n.Failed = failed.Int64
		}
		needs = append(needs, n)
		return nil
	})
	return needs, err
}

// OutputIDs are the rows of a derivation's outputs.
func (q Queries) OutputIDs(ctx context.Context, derivation int64) ([]int64, error) {
	var ids []int64
	err := q.stmts.each(ctx, "derivation_outputs", []any{derivation}, func(rows *sql.Rows) error {
		var name, path string
		var id int64
		err := rows.Scan(&name, &path, &id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// A DerivationRef is a stored derivation.
type DerivationRef struct {
	ID   int64
	Path storepath.Path
}

// InputGraph is every derivation that the outputs of a derivation are built
// from, without itself.
func (q Queries) InputGraph(ctx context.Context, derivation int64) ([]DerivationRef, error) {
	var graph []DerivationRef
	err := q.stmts.each(ctx, "derivation_graph", []any{derivation}, func(rows *sql.Rows) error {
		var d DerivationRef
		err := rows.Scan(&d.ID, &d.Path)
		graph = append(graph, d)
		return err
	})
	return graph, err
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

// DerivationSystem is the system that a stored derivation is built on.
func (q Queries) DerivationSystem(ctx context.Context, derivation int64) (system string, err error) {
	_, err = q.stmts.row(ctx, "derivation_system", []any{derivation}, &system)
	return system, err
}
