package coordinatortest

import (
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// Exec runs a statement on the database from outside, as people do with the
// program sqlite3.
func (f *Farm) Exec(statement string, args ...any) {
	f.t.Helper()
	db := f.outside()
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		f.t.Fatalf("%s: %v", statement, err)
	}
}

func (f *Farm) outside() *sql.DB {
	f.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+f.Database+"?_busy_timeout=5000")
	if err != nil {
		f.t.Fatal(err)
	}
	return db
}

// FailCommits makes every commit fail that adds a row to a table, at the very
// end, until the function that it returns is called.
func (f *Farm) FailCommits(table string) (mend func()) {
	f.t.Helper()
	// A violation of a deferred foreign key shows only in COMMIT.
	f.Exec(`CREATE TABLE trap (id REFERENCES trap_parent (id) DEFERRABLE INITIALLY DEFERRED);
		CREATE TABLE trap_parent (id INTEGER PRIMARY KEY);
		CREATE TRIGGER trap_trigger AFTER INSERT ON ` + table + ` BEGIN INSERT INTO trap VALUES (1); END`)
	return func() { f.Exec("DROP TRIGGER trap_trigger; DROP TABLE trap; DROP TABLE trap_parent") }
}

// Dump is the whole database as text, a line for each row.
func (f *Farm) Dump() string {
	f.t.Helper()
	db := f.outside()
	defer db.Close()
	var tables []string
	f.rows(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'trap%' ORDER BY name", func(row []any) {
		tables = append(tables, row[0].(string))
	})
	var dump strings.Builder
	for _, table := range tables {
		f.rows(db, "SELECT * FROM "+table, func(row []any) { fmt.Fprintln(&dump, append([]any{table}, row...)...) })
	}
	return dump.String()
}

func (f *Farm) rows(db *sql.DB, query string, each func([]any)) {
	f.t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			f.t.Fatalf("%s: %v", query, err)
		}
		each(row)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
}
