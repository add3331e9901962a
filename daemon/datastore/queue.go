package datastore

import (
	"context"
	"database/sql"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A QueuedBuild is an unfinished build as the scheduler needs it.
type QueuedBuild struct {
	ID int64
	Shape
	Priority  int64
	NotBefore time.Time
	Agent     string // who holds it; may be empty
	Tags      []daemon.Tag
}

// Queue calls f with every unfinished build, the oldest first. The slices in
// the build are used again for the next one.
func (q Queries) Queue(ctx context.Context, f func(*QueuedBuild) error) error {
	known, err := q.knownOutputs(ctx)
	if err != nil {
		return err
	}
	tags, err := q.unfinishedTags(ctx)
	if err != nil {
		return err
	}
	var b QueuedBuild
	var makes, needs sql.RawBytes
	var ids []int64
	return q.stmts.each(ctx, "unfinished_builds", nil, func(rows *sql.Rows) (err error) {
		var deferred, agent sql.NullString
		if err := rows.Scan(&b.ID, &b.System, &b.Priority, &deferred, &agent, &makes, &needs); err != nil {
			return err
		}
		b.NotBefore, b.Agent, b.Tags = parseTime(deferred), agent.String, tags[b.ID]
		if b.Makes, err = unpackIDs(b.Makes[:0], makes); err != nil {
			return err
		}
		if ids, err = unpackIDs(ids[:0], needs); err != nil {
			return err
		}
		b.Needs = b.Needs[:0]
		for _, id := range ids {
			n := Need{Output: id}
			if len(known) > 0 {
				if k, ok := known[id]; ok {
					n = k
				}
			}
			b.Needs = append(b.Needs, n)
		}
		return f(&b)
	})
}

// knownOutputs is what the builds of all outputs came to, for those with a
// finished build.
func (q Queries) knownOutputs(ctx context.Context) (map[int64]Need, error) {
	known := make(map[int64]Need)
	err := q.stmts.each(ctx, "all_outputs_known", nil, func(rows *sql.Rows) error {
		n, err := scanNeed(rows)
		known[n.Output] = n
		return err
	})
	return known, err
}

func (q Queries) unfinishedTags(ctx context.Context) (map[int64][]daemon.Tag, error) {
	tags := make(map[int64][]daemon.Tag)
	err := q.stmts.each(ctx, "unfinished_tags", nil, func(rows *sql.Rows) error {
		var id int64
		var t daemon.Tag
		err := rows.Scan(&id, &t.Key, &t.Value)
		tags[id] = append(tags[id], t)
		return err
	})
	return tags, err
}
