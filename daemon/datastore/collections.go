package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// PutCollection adds a collection or changes the one of that name.
func (t *Tx) PutCollection(ctx context.Context, c daemon.Collection, declared bool) error {
	spec, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode collection: %w", err)
	}
	_, err = t.stmts.exec(ctx, "collection_insert", c.Name, string(spec), declared)
	return err
}

// DeleteCollection forgets a collection with its history; found is false if
// there is none of that name. Its builds stay.
func (t *Tx) DeleteCollection(ctx context.Context, name string) (found bool, err error) {
	n, err := t.stmts.exec(ctx, "collection_delete", name)
	return n > 0, err
}

// Collections are all collections, or the one with a name if that is not
// empty.
func (q Queries) Collections(ctx context.Context, name string) ([]daemon.CollectionStatus, error) {
	var list []daemon.CollectionStatus
	err := q.stmts.each(ctx, "collections", []any{textValue(name)}, func(rows *sql.Rows) error {
		var c daemon.CollectionStatus
		var spec string
		var attempted, updated, trouble, revision, created sql.NullString
		var number sql.NullInt64
		err := rows.Scan(&c.ID, &spec, &c.Declared, &c.Updating, &attempted, &updated, &trouble, &number, &revision, &created)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(spec), &c.Collection); err != nil {
			return fmt.Errorf("the collection in row %d is damaged: %w", c.ID, err)
		}
		c.Attempted, c.Updated, c.Trouble = parseTime(attempted), parseTime(updated), trouble.String
		c.Latest = daemon.Evaluation{Number: int(number.Int64), Revision: revision.String, Time: parseTime(created)}
		list = append(list, c)
		return nil
	})
	return list, err
}

// BeginUpdate marks a collection as one that is being updated.
func (t *Tx) BeginUpdate(ctx context.Context, collection int64, at time.Time) error {
	_, err := t.stmts.exec(ctx, "collection_update_begin", collection, timeValue(at))
	return err
}

// EndUpdate takes the mark away; trouble is why the update failed, or empty.
func (t *Tx) EndUpdate(ctx context.Context, collection int64, trouble string) error {
	_, err := t.stmts.exec(ctx, "collection_update_end", collection, textValue(trouble))
	return err
}

// A CurrentPackage is a package as the latest evaluation has it.
type CurrentPackage struct {
	ID int64
	daemon.Evaluated
	Told daemon.Told
}

// CurrentPackages are a collection's packages in its latest evaluation.
func (q Queries) CurrentPackages(ctx context.Context, collection int64) ([]CurrentPackage, error) {
	var list []CurrentPackage
	err := q.stmts.each(ctx, "current_packages", []any{collection}, func(rows *sql.Rows) error {
		var p CurrentPackage
		var path, text sql.NullString
		err := rows.Scan(&p.ID, &p.Package, &p.System, &p.Target, &p.Told, &path, &text)
		p.Derivation, p.Error = storepath.Path(path.String), text.String
		list = append(list, p)
		return err
	})
	return list, err
}

// InsertEvaluation records what the packages of a collection came to; their
// derivations are stored already. It returns for how many of them, or of those
// that were there before, something changed.
func (t *Tx) InsertEvaluation(ctx context.Context, collection int64, e daemon.Evaluation, packages []daemon.Evaluated) (changed int, err error) {
	if _, err := t.stmts.exec(ctx, "evaluation_insert", collection, e.Number, e.Revision, timeValue(e.Time)); err != nil {
		return 0, err
	}
	current, err := t.CurrentPackages(ctx, collection)
	if err != nil {
		return 0, err
	}
	type key struct{ name, system, target string }
	before := make(map[key]CurrentPackage, len(current))
	for _, p := range current {
		before[key{p.Package, p.System, p.Target}] = p
	}
	for _, p := range packages {
		k := key{p.Package, p.System, p.Target}
		old, there := before[k]
		delete(before, k)
		if there && old.Derivation == p.Derivation && old.Error == p.Error {
			continue
		}
		changed++
		if there {
			if _, err := t.stmts.exec(ctx, "package_derivation_end", old.ID, e.Number-1); err != nil {
				return 0, err
			}
		}
		if err := t.insertPackage(ctx, collection, e.Number, p); err != nil {
			return 0, err
		}
	}
	for _, gone := range before {
		changed++
		if _, err := t.stmts.exec(ctx, "package_derivation_end", gone.ID, e.Number-1); err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func (t *Tx) insertPackage(ctx context.Context, collection int64, number int, p daemon.Evaluated) error {
	if _, err := t.stmts.exec(ctx, "system_insert", p.System); err != nil {
		return err
	}
	var id int64
	if _, err := t.stmts.row(ctx, "collection_package_insert", []any{collection, p.Package, p.System, p.Target}, &id); err != nil {
		return err
	}
	var derivation any
	if p.Derivation != "" {
		row, err := t.DerivationID(ctx, p.Derivation)
		if err != nil {
			return err
		}
		if row == 0 {
			return daemon.Errorf(daemon.Invalid, "%s of the package %s is not stored", p.Derivation, p.Package)
		}
		derivation = row
	}
	_, err := t.stmts.exec(ctx, "package_derivation_insert", id, number, derivation, textValue(p.Error))
	return err
}

// Tell records what hooks are told of a package.
func (t *Tx) Tell(ctx context.Context, pkg int64, told daemon.Told) error {
	_, err := t.stmts.exec(ctx, "collection_package_told", pkg, told)
	return err
}

// PointlessBuilds are the UUIDs of unfinished builds with a tag that are of no
// derivation in any collection's latest evaluation, the oldest first.
func (q Queries) PointlessBuilds(ctx context.Context, tag daemon.Tag) ([]string, error) {
	var uuids []string
	err := q.stmts.each(ctx, "pointless_builds", []any{tag.Key, tag.Value}, func(rows *sql.Rows) error {
		var uuid string
		err := rows.Scan(&uuid)
		uuids = append(uuids, uuid)
		return err
	})
	return uuids, err
}
