package datastore

import (
	"context"
	"database/sql"
)

// HasUnfinishedBuild tells whether a derivation has a build that has not
// ended.
func (q Queries) HasUnfinishedBuild(ctx context.Context, derivation int64) (has bool, err error) {
	_, err = q.stmts.row(ctx, "derivation_has_unfinished_build", []any{derivation}, &has)
	return has, err
}

// CanceledAbove are the last builds, if those were canceled, of the
// derivations that need, directly or not, outputs of the given builds.
func (q Queries) CanceledAbove(ctx context.Context, builds []BuildRow) ([]BuildRow, error) {
	below := make(map[int64]bool) // outputs
	for _, b := range builds {
		makes, err := q.Makes(ctx, b.DerivationID)
		if err != nil {
			return nil, err
		}
		for _, output := range makes {
			below[output] = true
		}
	}
	// Rows are numbered so that whatever needs an output follows what makes
	// it: one pass over those that were canceled finds all.
	var above []BuildRow
	var uuids []string
	err := q.stmts.each(ctx, "canceled_derivations", nil, func(rows *sql.Rows) error {
		var uuid string
		var makes, needs []byte
		if err := rows.Scan(&uuid, &makes, &needs); err != nil {
			return err
		}
		ids, err := unpackIDs(nil, needs)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !below[id] {
				continue
			}
			made, err := unpackIDs(nil, makes)
			if err != nil {
				return err
			}
			for _, output := range made {
				below[output] = true
			}
			uuids = append(uuids, uuid)
			break
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, uuid := range uuids {
		b, _, err := q.Build(ctx, uuid)
		if err != nil {
			return nil, err
		}
		above = append(above, b)
	}
	return above, nil
}
