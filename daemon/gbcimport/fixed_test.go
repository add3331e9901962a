package gbcimport_test

import (
	"database/sql"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

// What guix-daemon would not take for a fixed output is none, whatever the file
// says.
func TestOnlyTheOneOutputCalledOutIsFixed(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	u.exec("UPDATE derivations SET fixed_output = 1 WHERE id IN (4, 5, 6)")
	u.exec("UPDATE derivation_outputs SET name = 'doc' WHERE derivation_id = 5")
	u.exec("INSERT INTO outputs VALUES (99, '/gnu/store/00000000000000000000000000000000-late-doc')")
	u.exec("INSERT INTO derivation_outputs VALUES (99, 6, 'doc', 99)")
	u.into(f.Store, false)
	db := open(t, f.Database)
	var fixed, all int
	f.Must(db.QueryRow("SELECT sum(fixed_output), count(*) FROM derivations").Scan(&fixed, &all))
	if fixed != 1 || all != 8 {
		t.Errorf("got %d fixed ones of %d, want 1 of 8", fixed, all)
	}
}

func open(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
