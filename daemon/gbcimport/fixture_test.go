package gbcimport_test

import (
	"database/sql"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/gbcimport"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	_ "github.com/mattn/go-sqlite3"
)

const (
	bedok    = "e092df28-3418-4f94-b7f0-a214b03291ee"
	idle     = "e092df28-3418-4f94-b7f0-a214b03291ef"
	password = "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"
)

// postSchema is what the post shows; the second table's names are not in it.
const postSchema = `
CREATE TABLE agents (
       id TEXT PRIMARY KEY,
       description TEXT
, name TEXT, active NOT NULL DEFAULT 1);
CREATE TABLE agent_passwords (number INTEGER PRIMARY KEY, agent TEXT, secret TEXT, made TIMESTAMP);`

// fullSchema is all that is known of the original's tables.
//
//go:embed testdata/upstream.sql
var fullSchema string

// upstream is a Guix Build Coordinator's database that a test writes.
type upstream struct {
	t    *testing.T
	file string
	db   *sql.DB
}

func newUpstream(t *testing.T, schema string) *upstream {
	t.Helper()
	u := &upstream{t: t, file: filepath.Join(t.TempDir(), "guix build?#coordinator.db")}
	escaped := strings.NewReplacer("?", "%3f", "#", "%23").Replace(u.file)
	var err error
	if u.db, err = sql.Open("sqlite3", "file:"+escaped+"?_journal_mode=WAL"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.db.Close() })
	u.exec(schema)
	return u
}

func (u *upstream) exec(statement string, args ...any) {
	u.t.Helper()
	if _, err := u.db.Exec(statement, args...); err != nil {
		u.t.Fatalf("%s: %v", statement, err)
	}
}

// derivation adds a derivation with an output of its own as row id, which needs those in other rows.
func (u *upstream) derivation(d *coordinatortest.Derivations, id int, path storepath.Path, inputs ...int) {
	u.t.Helper()
	u.exec("INSERT INTO derivations VALUES (?, ?, 1, 0)", id, string(path))
	u.exec("INSERT INTO outputs VALUES (?, ?)", 100+id, string(d.Output(path, "out")))
	u.exec("INSERT INTO derivation_outputs VALUES (?, ?, 'out', ?)", 200+id, id, 100+id)
	for _, in := range inputs {
		u.exec("INSERT INTO derivation_inputs VALUES (?, ?)", id, 200+in)
	}
}

// small is a farm with a build in each state that there is. Row n of builds
// has the UUID coordinatortest.UUID(n) and the derivation of row n. What needs
// others comes before them, so that order cannot be taken for granted.
func small(t *testing.T, f *coordinatortest.Farm) *upstream {
	t.Helper()
	u := newUpstream(t, fullSchema+"CREATE TABLE something_else (id INTEGER);")
	u.exec("INSERT INTO agents VALUES (?, 'TBFG agent', 'bedok', 1), (?, NULL, NULL, 0)", bedok, idle)
	u.exec("INSERT INTO agent_passwords VALUES (1, ?1, ?2, '2025-08-13 00:00:00'), (2, ?1, 'second', NULL)", bedok, password)
	u.exec("INSERT INTO tags VALUES (1, 'ram', '64G'), (2, 'branch', 'master')")
	u.exec("INSERT INTO agent_tags VALUES (?, 1)", bedok)
	u.exec("INSERT INTO systems VALUES (1, ?)", coordinatortest.System)
	gcc, broken, base := f.Derivation("gcc"), f.Derivation("broken"), f.Derivation("base")
	for id, d := range map[int]struct {
		path   storepath.Path
		inputs []int
	}{
		1: {f.Derivation("hello", gcc), []int{7}}, 2: {f.Derivation("blocked", broken), []int{8}},
		3: {f.Derivation("top", base), []int{4}}, 4: {base, nil}, 5: {f.Derivation("canceled"), nil},
		6: {f.Derivation("late"), nil}, 7: {gcc, nil}, 8: {broken, nil},
	} {
		u.derivation(f.Derivations, id, d.path, d.inputs...)
	}
	for id := 1; id <= 8; id++ {
		u.exec("INSERT INTO builds VALUES (?, ?, ?, 0, 0, 0, '2025-08-14 01:02:03', NULL, NULL)", id, coordinatortest.UUID(id), id)
	}
	u.exec("UPDATE builds SET priority = 5 WHERE id = 1; UPDATE builds SET canceled = 1 WHERE id = 5")
	u.exec("UPDATE builds SET deferred_until = '2099-01-01 00:00:00' WHERE id = 6")
	u.exec("UPDATE builds SET processed = 1, end_time = '2025-08-14 02:00:00' WHERE id > 6")
	u.exec("INSERT INTO build_tags VALUES (1, 1), (1, 2), (7, 2)")
	u.exec("INSERT INTO build_results VALUES (7, ?1, 'success', NULL), (8, ?1, 'failure', 'boom')", bedok)
	return u
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// into imports the file and checks that the report accounts for everything.
func (u *upstream) into(store *datastore.Store, dryRun bool) *gbcimport.Report {
	u.t.Helper()
	source, err := gbcimport.Open(u.t.Context(), u.file)
	if err != nil {
		u.t.Fatal(err)
	}
	defer source.Close()
	report, err := source.Import(u.t.Context(), store, now, dryRun)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, l := range report.Lines {
		sum := l.Imported + l.There
		for _, s := range l.Skipped {
			sum += s.Count
		}
		if sum != l.InFile {
			u.t.Errorf("%s: %d are accounted for of %d: %+v", l.What, sum, l.InFile, l)
		}
	}
	return report
}

// counts is a report in a form that is easy to compare.
func counts(r *gbcimport.Report) map[string]string {
	m := make(map[string]string)
	for _, l := range r.Lines {
		text := fmt.Sprintf("%d: %d imported, %d there", l.InFile, l.Imported, l.There)
		for _, s := range l.Skipped {
			text += fmt.Sprintf("; %d %s", s.Count, s.Why)
		}
		if l.Lacking != "" {
			text += "; " + l.Lacking
		}
		m[l.What] = text
	}
	return m
}
