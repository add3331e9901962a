package datastore

import (
	"context"
	"database/sql"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// SetupFailures are at most limit setup failures of all builds that came
// before one, the newest first, each with at most inputs of its missing
// inputs.
func (q Queries) SetupFailures(ctx context.Context, before int64, limit, inputs int) ([]daemon.ListedSetupFailure, error) {
	failures := []daemon.ListedSetupFailure{}
	err := q.stmts.each(ctx, "setup_failures", []any{before, limit}, func(rows *sql.Rows) error {
		var f daemon.ListedSetupFailure
		var at sql.NullString
		err := rows.Scan(&f.ID, &f.Build, &f.Derivation, &f.Agent, &f.Reason, &at, &f.Missing)
		f.Time = parseTime(at)
		failures = append(failures, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range failures {
		f := &failures[i]
		if f.Missing == 0 {
			continue
		}
		err := q.stmts.each(ctx, "missing_inputs", []any{f.ID, inputs}, func(rows *sql.Rows) error {
			var path storepath.Path
			err := rows.Scan(&path)
			f.MissingInputs = append(f.MissingInputs, path)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return failures, nil
}
