package datastore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a database as tbfg's in its header ("tbfg" in ASCII).
// It keeps us from writing into a Guix Build Coordinator's database, which
// has the same default name under the compatible command's paths.
const applicationID = 0x74626667

// migrate applies the migrations that the database has not seen, each in a
// transaction of its own. PRAGMA user_version counts them.
func migrate(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version, id, tables int
	err = db.QueryRowContext(ctx, `SELECT v.user_version, a.application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version v, pragma_application_id a`).Scan(&version, &id, &tables)
	if err != nil {
		return fmt.Errorf("read its header: %w", err)
	}
	if tables > 0 && id != applicationID {
		return fmt.Errorf("this is another program's database, perhaps the Guix Build Coordinator's: " +
			"move it away or choose another database file")
	}
	if version > len(names) {
		return fmt.Errorf("it was migrated by a newer tbfg (schema %d, this program knows %d): run that one, "+
			"or restore a backup", version, len(names))
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
	pragmas := fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", version, applicationID)
	if _, err := tx.ExecContext(ctx, pragmas); err != nil {
		return err
	}
	return tx.Commit()
}
