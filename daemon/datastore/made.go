package datastore

import (
	"context"
	"database/sql"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Made is an output as a build made it.
type Made struct {
	Build      string // its UUID
	Derivation storepath.Path
	daemon.Output
}

// Made lists, newest first, what builds made of the item of a store whose name
// has a hash part.
func (q Queries) Made(ctx context.Context, store storepath.Dir, hashPart string) ([]Made, error) {
	// A "-" follows the hash part, and a "." comes after that.
	prefix := string(store) + "/" + hashPart
	var made []Made
	err := q.stmts.each(ctx, "made", []any{prefix + "-", prefix + "."}, func(rows *sql.Rows) error {
		var m Made
		var references sql.NullString
		if err := rows.Scan(&m.Build, &m.Derivation, &m.Name, &m.Path, &m.Hash, &m.Size, &references); err != nil {
			return err
		}
		m.References = parsePaths(m.Path.Dir(), references)
		made = append(made, m)
		return nil
	})
	return made, err
}
