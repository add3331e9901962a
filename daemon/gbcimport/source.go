package gbcimport

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/datastore"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// tables are all that is read.
var tables = []string{"agents", "agent_passwords", "agent_tags", "tags", "systems", "derivations", "outputs",
	"derivation_outputs", "derivation_inputs", "builds", "build_tags", "build_results"}

// A Source is a Guix Build Coordinator's database as it is at one moment,
// whoever writes to it meanwhile.
type Source struct {
	file    string
	unused  bool // nobody had it open
	db      *sql.DB
	tx      *sql.Tx
	columns map[string][]string // by table
}

// Open opens a database for reading only. The caller closes it.
func Open(ctx context.Context, file string) (*Source, error) {
	s := &Source{file: file, columns: make(map[string][]string)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("import %s: %w", file, err), s.Close())
	}
	return s, nil
}

func (s *Source) open(ctx context.Context) (err error) {
	if s.unused, err = unused(s.file); err != nil {
		return err
	}
	options := "mode=ro&_query_only=1&_busy_timeout=5000"
	if s.unused {
		// Else SQLite would want to make files next to it, which it
		// cannot do everywhere, and would leave them there.
		options += "&immutable=1"
	}
	abs, err := filepath.Abs(s.file)
	if err != nil {
		return err
	}
	s.db, err = sql.Open("sqlite3", (&url.URL{Scheme: "file", Path: abs, RawQuery: options}).String())
	if err != nil {
		return err
	}
	if s.tx, err = s.db.BeginTx(ctx, nil); err != nil {
		return err
	}
	var id int
	if err := s.tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return fmt.Errorf("read its header: %w", err)
	}
	if id == datastore.ApplicationID {
		return errors.New("this is tbfg's own database")
	}
	return s.inspect(ctx)
}

// unused tells whether the file says that it is used with a write-ahead log,
// and there is none: who opens such a file makes one first.
func unused(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return false, err
	} else if !info.Mode().IsRegular() {
		return false, errors.New("this is no file")
	}
	header := make([]byte, 20)
	if _, err := f.ReadAt(header, 0); err != nil || !strings.HasPrefix(string(header), "SQLite format 3\x00") {
		return false, errors.New("this is no SQLite database")
	}
	_, err = os.Stat(file + "-wal")
	return header[19] == 2 && errors.Is(err, fs.ErrNotExist), nil
}

// inspect learns which tables and columns there are.
func (s *Source) inspect(ctx context.Context) error {
	for _, table := range tables {
		err := s.each(ctx, "SELECT lower(name) FROM pragma_table_info('"+table+"') ORDER BY cid", func(row []sql.NullString) error {
			s.columns[table] = append(s.columns[table], row[0].String)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if s.columns["agents"] == nil && s.columns["builds"] == nil {
		return errors.New("this is no database of the Guix Build Coordinator: it has neither agents nor builds")
	}
	return nil
}

// check tells whether what was read can be relied upon.
func (s *Source) check() error {
	if !s.unused {
		return nil
	}
	if _, err := os.Stat(s.file + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("import %s: a program opened it while it was read: import it again", s.file)
	}
	return nil
}

// Close closes the file.
func (s *Source) Close() error {
	var errs []error
	if s.tx != nil {
		errs = append(errs, s.tx.Rollback())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// lacks says what is missing of a table; empty if nothing is.
func (s *Source) lacks(table string, columns ...string) string {
	if s.columns[table] == nil {
		return "the file has no table " + table
	}
	for _, c := range columns {
		if !slices.Contains(s.columns[table], c) {
			return fmt.Sprintf("the file's table %s has no column %s", table, c)
		}
	}
	return ""
}

// choose is a query for columns of a table, as text; those that end in "#" are
// numbers. What the table lacks is NULL. The casts also keep the driver from
// making times of what is declared as such.
func (s *Source) choose(table string, columns ...string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		name, number := strings.CutSuffix(c, "#")
		kind := "TEXT"
		if number {
			kind = "INTEGER"
		}
		list[i] = fmt.Sprintf("CAST(%q AS %s)", name, kind)
		if !slices.Contains(s.columns[table], name) {
			list[i] = "NULL"
		}
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + table
}

// each calls f with every row of a query; the slice is used again for the next
// one.
func (s *Source) each(ctx context.Context, query string, f func([]sql.NullString) error) error {
	rows, err := s.tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.file, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("read %s: %w", s.file, err)
	}
	row, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", s.file, err)
		}
		if err := f(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", s.file, err)
	}
	return nil
}
