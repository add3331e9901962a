package datastore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ApplicationID marks a database as tbfg's in its header ("tbfg" in ASCII).
// It keeps us from writing into a Guix Build Coordinator's database, which
// has the same default name under the compatible command's paths.
const ApplicationID = 0x74626667

// recognise refuses a file that is not ours to write: another program's
// database, or one that a newer tbfg has migrated. It is left as it is, which
// is why this does not use the connection that writes: that one would turn
// the file to a write-ahead log before it is asked anything.
func recognise(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite3", dsn(file, "_busy_timeout=5000"))
	if err != nil {
		return err
	}
	defer db.Close()
	var version, id, tables int
	err = db.QueryRowContext(ctx, `SELECT v.user_version, a.application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version v, pragma_application_id a`).Scan(&version, &id, &tables)
	known, globErr := fs.Glob(migrations, "migrations/*.sql")
	switch {
	case err != nil || globErr != nil:
		return fmt.Errorf("read its header: %w", errors.Join(err, globErr))
	case id != ApplicationID && (id != 0 || version != 0 || tables > 0):
		return fmt.Errorf("this is another program's database, perhaps the Guix Build Coordinator's: " +
			"move it away or choose another database file")
	case version > len(known):
		return fmt.Errorf("it was migrated by a newer tbfg (schema %d, this program knows %d): run that one, "+
			"or restore a backup", version, len(known))
	}
	return nil
}

// migrate applies the migrations that the database has not seen, each in a
// transaction of its own. PRAGMA user_version counts them.
func migrate(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read its header: %w", err)
	}
	for i := version; i < len(names); i++ {
		text, err := migrations.ReadFile(names[i])
		if err != nil {
			return err
		}
		if err := apply(ctx, db, i+1, string(text)); err != nil {
			return fmt.Errorf("apply %s: %w", names[i], err)
		}
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, version int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	pragmas := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", version, ApplicationID)
	if _, err := tx.ExecContext(ctx, pragmas); err != nil {
		return err
	}
	return tx.Commit()
}
