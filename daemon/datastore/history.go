package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Evaluations are a collection's evaluations by number.
func (q Queries) Evaluations(ctx context.Context, collection int64) ([]daemon.Evaluation, error) {
	var list []daemon.Evaluation
	err := q.stmts.each(ctx, "evaluations", []any{collection}, func(rows *sql.Rows) error {
		var e daemon.Evaluation
		var at sql.NullString
		err := rows.Scan(&e.Number, &e.Revision, &at)
		e.Time = parseTime(at)
		list = append(list, e)
		return err
	})
	return list, err
}

// History is all that there is to know of a collection. Its parts are read one
// after the other: what happens meanwhile may be in some of them. What was read
// before, or nil, spares the reading of what cannot have changed since.
func (q Queries) History(ctx context.Context, collection int64, before *daemon.History) (h daemon.History, err error) {
	// Spans come before evaluations, so that none ends in one that is not there.
	same, err := q.sameEvaluation(ctx, collection, before)
	if err != nil {
		return h, err
	}
	if same {
		h.Packages, h.Evaluations = before.Packages, before.Evaluations
		h.Derivations, err = q.unsettled(ctx, before.Derivations)
	} else {
		if h.Packages, err = q.packageHistories(ctx, collection); err != nil {
			return h, err
		}
		if h.Evaluations, err = q.Evaluations(ctx, collection); err != nil {
			return h, err
		}
		h.Derivations, err = q.historyDerivations(ctx, "history_derivations", collection)
	}
	if err != nil {
		return h, err
	}
	if h.Failures, err = q.failedOutputs(ctx); err != nil || len(h.Failures) == 0 {
		return h, err
	}
	h.Open, err = q.openDerivations(ctx)
	return h, err
}

// sameEvaluation tells whether the latest evaluation is one that was read
// before.
func (q Queries) sameEvaluation(ctx context.Context, collection int64, before *daemon.History) (bool, error) {
	if before == nil || len(before.Evaluations) == 0 {
		return false, nil
	}
	now, err := q.Evaluations(ctx, collection)
	return len(now) == len(before.Evaluations) && now[len(now)-1] == before.Evaluations[len(before.Evaluations)-1], err
}

// unsettled reads anew what may have changed of derivations: what was built
// stays so.
func (q Queries) unsettled(ctx context.Context, before map[int64]daemon.DerivationFact) (map[int64]daemon.DerivationFact, error) {
	facts := maps.Clone(before)
	var open []int64
	for id, d := range before {
		if !d.Built {
			open = append(open, id)
		}
	}
	list, err := json.Marshal(open)
	if err != nil {
		return nil, err
	}
	again, err := q.historyDerivations(ctx, "some_derivations", string(list))
	maps.Copy(facts, again)
	return facts, err
}

func (q Queries) packageHistories(ctx context.Context, collection int64) ([]daemon.PackageHistory, error) {
	var list []daemon.PackageHistory
	err := q.stmts.each(ctx, "package_history", []any{collection}, func(rows *sql.Rows) error {
		var p daemon.PackageHistory
		var s daemon.Span
		var last, derivation sql.NullInt64
		var name, system, target, text sql.RawBytes
		if err := rows.Scan(&p.ID, &name, &system, &target, &p.Told, &s.First, &last, &derivation, &text); err != nil {
			return err
		}
		s.Last, s.Derivation, s.Error = int(last.Int64), derivation.Int64, string(text)
		if n := len(list); n == 0 || list[n-1].ID != p.ID {
			p.Package, p.System, p.Target = string(name), string(system), string(target)
			list = append(list, p)
		}
		latest := &list[len(list)-1]
		latest.Spans = append(latest.Spans, s)
		return nil
	})
	return list, err
}

// historyDerivations runs a query for derivations.
func (q Queries) historyDerivations(ctx context.Context, query string, of any) (map[int64]daemon.DerivationFact, error) {
	facts := make(map[int64]daemon.DerivationFact)
	err := q.stmts.each(ctx, query, []any{of}, func(rows *sql.Rows) (err error) {
		var id int64
		var d daemon.DerivationFact
		var built sql.NullBool
		var path, build, makes, needs sql.RawBytes
		if err := rows.Scan(&id, &path, &built, &build, &makes, &needs); err != nil {
			return err
		}
		if _, met := facts[id]; met {
			return nil
		}
		d.Path, d.Built, d.Build = storepath.Path(path), built.Bool, string(build)
		if !d.Built {
			if d.Makes, err = unpackIDs(nil, makes); err != nil {
				return err
			}
			if d.Needs, err = unpackIDs(nil, needs); err != nil {
				return err
			}
		}
		facts[id] = d
		return nil
	})
	return facts, err
}

func (q Queries) failedOutputs(ctx context.Context) (map[int64]daemon.FailureFact, error) {
	failures := make(map[int64]daemon.FailureFact)
	err := q.stmts.each(ctx, "failures", nil, func(rows *sql.Rows) error {
		var output int64
		var f daemon.FailureFact
		var build, ended sql.NullString
		err := rows.Scan(&output, &f.Derivation, &f.Path, &build, &ended)
		f.Build, f.Time = build.String, parseTime(ended)
		failures[output] = f
		return err
	})
	return failures, err
}

func (q Queries) openDerivations(ctx context.Context) ([]daemon.OpenDerivation, error) {
	var list []daemon.OpenDerivation
	met := make(map[int64]bool)
	scan := func(rows *sql.Rows) (err error) {
		var d daemon.OpenDerivation
		var makes, needs sql.RawBytes
		if err := rows.Scan(&d.ID, &makes, &needs); err != nil || met[d.ID] {
			return err
		}
		met[d.ID] = true
		if d.Makes, err = unpackIDs(nil, makes); err != nil {
			return err
		}
		d.Needs, err = unpackIDs(nil, needs)
		list = append(list, d)
		return err
	}
	if err := q.stmts.each(ctx, "open_derivations", nil, scan); err != nil {
		return nil, err
	}
	return list, q.stmts.each(ctx, "given_up_derivations", nil, scan)
}
