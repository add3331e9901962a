package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/mattn/go-sqlite3"
)

// A BuildRow is a build as it stands in the database. Its State is one of
// the facts: what waits for something is [daemon.Waiting] or, with a time
// before which it must not start, [daemon.Deferred].
type BuildRow struct {
	daemon.Build
	ID            int64
	DerivationID  int64
	FailureReason string
}

// InsertBuild adds a build of a stored derivation and returns its row.
func (t *Tx) InsertBuild(ctx context.Context, derivation int64, b daemon.Build) (int64, error) {
	id, err := t.stmts.insert(ctx, "build_insert", b.UUID, derivation, b.Priority, timeValue(b.Created), timeValue(b.NotBefore))
	var broken sqlite3.Error
	if errors.As(err, &broken) && broken.ExtendedCode == sqlite3.ErrConstraintUnique {
		return 0, daemon.Errorf(daemon.Conflict, "there is a build %s already", b.UUID)
	}
	if err != nil {
		return 0, err
	}
	return id, t.insertTags(ctx, "build_tag_insert", id, b.Tags)
}

// Build is the build with a UUID; found is false if there is none.
func (q Queries) Build(ctx context.Context, uuid string) (b BuildRow, found bool, err error) {
	err = q.stmts.each(ctx, "build", []any{uuid}, func(rows *sql.Rows) error {
		found = true
		return scanBuild(rows, &b)
	})
	if err != nil || !found {
		return b, found, err
	}
	b.Tags, err = q.tags(ctx, "build_tags", b.ID)
	return b, true, err
}

// RecentBuilds are the newest builds, at most so many, newest first. They lack
// their tags.
func (q Queries) RecentBuilds(ctx context.Context, limit int) ([]BuildRow, error) {
	var builds []BuildRow
	err := q.stmts.each(ctx, "recent_builds", []any{limit}, func(rows *sql.Rows) error {
		var b BuildRow
		err := scanBuild(rows, &b)
		builds = append(builds, b)
		return err
	})
	return builds, err
}

// BuildCreated is when a build was submitted.
func (q Queries) BuildCreated(ctx context.Context, id int64) (created time.Time, found bool, err error) {
	err = q.stmts.each(ctx, "build_created", []any{id}, func(rows *sql.Rows) error {
		var text sql.NullString
		err := rows.Scan(&text)
		created, found = parseTime(text), true
		return err
	})
	return created, found, err
}

// scanBuild reads a row of the queries build, builds and recent_builds, which
// have the same columns.
func scanBuild(rows *sql.Rows, b *BuildRow) error {
	var created, ended, deferred, holder, finisher, result, reason sql.NullString
	var started sql.NullBool
	var processed, canceled bool
	err := rows.Scan(&b.ID, &b.UUID, &b.DerivationID, &b.Derivation, &b.System, &b.Priority, &processed, &canceled,
		&created, &ended, &deferred, &holder, &started, &finisher, &result, &reason)
	if err != nil {
		return err
	}
	b.Created, b.Ended, b.NotBefore = parseTime(created), parseTime(ended), parseTime(deferred)
	b.FailureReason = reason.String
	b.Agent = holder.String
	switch {
	case canceled:
		b.State = daemon.Canceled
	case result.String == "success":
		b.State, b.Agent = daemon.Succeeded, finisher.String
	case result.String == "failure":
		b.State, b.Agent = daemon.Failed, finisher.String
	case started.Bool:
		b.State = daemon.Started
	case holder.Valid:
		b.State = daemon.Allocated
	case deferred.Valid:
		b.State = daemon.Deferred
	default:
		b.State = daemon.Waiting
	}
	return nil
}

// UUIDs are the UUIDs of builds' rows, the oldest first.
func (q Queries) UUIDs(ctx context.Context, ids []int64) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	var uuids []string
	err = q.stmts.each(ctx, "build_uuids", []any{string(list)}, func(rows *sql.Rows) error {
		var uuid string
		err := rows.Scan(&uuid)
		uuids = append(uuids, uuid)
		return err
	})
	return uuids, err
}

// Detail fills in all that happened to a build but what blocks it.
func (q Queries) Detail(ctx context.Context, b BuildRow) (daemon.BuildDetail, error) {
	d := daemon.BuildDetail{Build: b.Build, FailureReason: b.FailureReason}
	err := q.stmts.each(ctx, "build_starts", []any{b.ID}, func(rows *sql.Rows) error {
		var s daemon.Start
		var at sql.NullString
		err := rows.Scan(&s.Agent, &at)
		s.Time = parseTime(at)
		d.Starts = append(d.Starts, s)
		return err
	})
	if err != nil {
		return d, err
	}
	if d.Outputs, err = q.outputs(ctx, b); err != nil {
		return d, err
	}
	d.SetupFailures, err = q.setupFailures(ctx, b.ID)
	return d, err
}

func (q Queries) outputs(ctx context.Context, b BuildRow) ([]daemon.Output, error) {
	var outputs []daemon.Output
	err := q.stmts.each(ctx, "build_outputs", []any{b.DerivationID, b.ID}, func(rows *sql.Rows) error {
		var o daemon.Output
		var hash, references sql.NullString
		var size sql.NullInt64
		if err := rows.Scan(&o.Name, &o.Path, &hash, &size, &references); err != nil {
			return err
		}
		o.Hash, o.Size = hash.String, size.Int64
		o.References = parsePaths(o.Path.Dir(), references)
		outputs = append(outputs, o)
		return nil
	})
	return outputs, err
}

func (q Queries) setupFailures(ctx context.Context, build int64) ([]daemon.SetupFailure, error) {
	var failures []daemon.SetupFailure
	var last int64
	err := q.stmts.each(ctx, "build_setup_failures", []any{build}, func(rows *sql.Rows) error {
		var id int64
		var f daemon.SetupFailure
		var at, missing sql.NullString
		if err := rows.Scan(&id, &f.Agent, &f.Reason, &at, &f.Details, &missing); err != nil {
			return err
		}
		if id != last {
			f.Time = parseTime(at)
			failures = append(failures, f)
			last = id
		}
		if missing.Valid {
			f := &failures[len(failures)-1]
			f.MissingInputs = append(f.MissingInputs, storepath.Path(missing.String))
		}
		return nil
	})
	return failures, err
}
