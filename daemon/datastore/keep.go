package datastore

import (
	"context"
	"database/sql"
	"time"
)

// OldBuilds are at most limit finished builds that ended before a time, unless
// that is zero, or that are older than the keep newest finished ones, unless
// that is zero. They come as rows with UUIDs.
func (q Queries) OldBuilds(ctx context.Context, before time.Time, keep, limit int) (map[int64]string, error) {
	var last any
	if keep > 0 {
		var id int64
		found, err := q.stmts.row(ctx, "nth_finished_build", []any{keep}, &id)
		if err != nil {
			return nil, err
		}
		if found {
			last = id
		}
	}
	old := make(map[int64]string)
	err := q.stmts.each(ctx, "old_builds", []any{timeValue(before), last, limit}, func(rows *sql.Rows) error {
		var id int64
		var uuid string
		err := rows.Scan(&id, &uuid)
		old[id] = uuid
		return err
	})
	return old, err
}

// Forget deletes a finished build and all that happened to it. What is known
// of its outputs stays.
func (t *Tx) Forget(ctx context.Context, build int64) error {
	for _, query := range []string{"forget_setup_failure_missing_inputs", "forget_setup_failures", "forget_build_starts",
		"forget_build_results", "forget_output_metadata", "forget_lost_allocations", "forget_released_allocations", "forget_build_tags", "forget_builds"} {
		if _, err := t.stmts.exec(ctx, query, build); err != nil {
			return err
		}
	}
	return nil
}
