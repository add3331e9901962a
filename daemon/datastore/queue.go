package datastore

import (
	"context"
	"database/sql"
	"time"
)

// A QueuedBuild is an unfinished build as the scheduler needs it.
type QueuedBuild struct {
	ID         int64
	Derivation int64
	System     string
	Priority   int64
	NotBefore  time.Time
	Agent      string // who holds it; may be empty
}

// Queue calls f with every unfinished build, the oldest first.
func (q Queries) Queue(ctx context.Context, f func(QueuedBuild) error) error {
	return q.stmts.each(ctx, "unfinished_builds", nil, func(rows *sql.Rows) error {
		var b QueuedBuild
		var deferred, agent sql.NullString
		if err := rows.Scan(&b.ID, &b.Derivation, &b.System, &b.Priority, &deferred, &agent); err != nil {
			return err
		}
		b.NotBefore, b.Agent = parseTime(deferred), agent.String
		return f(b)
	})
}

// Counts says how many builds of one system there are.
type Counts struct {
	System                                  string
	Unfinished, Succeeded, Failed, Canceled int64
}

// BuildCounts counts builds by system.
func (q Queries) BuildCounts(ctx context.Context) ([]Counts, error) {
	var counts []Counts
	err := q.stmts.each(ctx, "build_counts", nil, func(rows *sql.Rows) error {
		var c Counts
		err := rows.Scan(&c.System, &c.Unfinished, &c.Succeeded, &c.Failed, &c.Canceled)
		counts = append(counts, c)
		return err
	})
	return counts, err
}
