package datastore

import (
	"context"
	"database/sql"
)

// Outcomes are numbers of builds that ended.
type Outcomes struct{ Succeeded, Failed, Canceled int }

// Outcomes counts the builds that ended. It takes a while where there are
// millions.
func (q Queries) Outcomes(ctx context.Context) (o Outcomes, err error) {
	for query, n := range map[string]*int{"count_ended": &o.Succeeded, "count_failed": &o.Failed, "count_canceled": &o.Canceled} {
		if _, err := q.stmts.row(ctx, query, nil, n); err != nil {
			return o, err
		}
	}
	o.Succeeded -= o.Failed + o.Canceled
	return o, nil
}

// Started is the number of builds that agents have begun to build.
func (q Queries) Started(ctx context.Context) (n int, err error) {
	_, err = q.stmts.row(ctx, "count_started", nil, &n)
	return n, err
}

// A FailedBuild is a failed build with those of its outputs of which it is the
// newest failure and which were not built since.
type FailedBuild struct {
	ID      int64
	Outputs []int64
}

// FailedOutputs are the failed builds whose outputs are not to be had, the
// oldest first.
func (q Queries) FailedOutputs(ctx context.Context) ([]FailedBuild, error) {
	var failed []FailedBuild
	err := q.stmts.each(ctx, "failed_outputs", nil, func(rows *sql.Rows) error {
		var build, output int64
		err := rows.Scan(&build, &output)
		if last := len(failed) - 1; last < 0 || failed[last].ID != build {
			failed = append(failed, FailedBuild{ID: build})
		}
		last := &failed[len(failed)-1]
		last.Outputs = append(last.Outputs, output)
		return err
	})
	return failed, err
}
