package datastore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/daemon/durable"
)

// Backup copies a database, as it is at one moment, into a new file that only
// its owner can read: it holds the hashes of passwords. The farm may be running
// meanwhile, since a connection that only reads is not in the way of its
// writer.
//
// The file appears when it is complete and on the disk; one that is there
// already is not replaced.
func Backup(ctx context.Context, database, file string) error {
	file, err := filepath.Abs(file) // SQLite might take another name for a URI
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("back up into %s: %w", file, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up: %w", err)
	}
	if _, err := os.Stat(database); err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	db, err := sql.Open("sqlite3", dsn(database, "mode=ro&_busy_timeout=5000"))
	if err != nil {
		return fmt.Errorf("back up %s: %w", database, err)
	}
	defer db.Close()
	var id int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return fmt.Errorf("back up %s: %w", database, err)
	}
	if id != ApplicationID {
		return fmt.Errorf("back up %s: this is not a database of tbfg", database)
	}
	f, err := durable.Create(file, 0o600)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer f.Abort()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", f.Name()); err != nil {
		return fmt.Errorf("back up %s: %w", database, err)
	}
	return f.Commit()
}
