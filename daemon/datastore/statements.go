package datastore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed sql/*.sql
var queries embed.FS

// statements are all queries, prepared for one pool; the map does not change
// after prepare.
type statements struct {
	prepared map[string]*sql.Stmt // by the name of the file in sql/
	tx       *sql.Tx              // when set, they run in it
}

// prepare prepares every query, so that a mistake in one shows at start and
// a transaction, which occupies the only writing connection, finds them ready.
func prepare(ctx context.Context, db *sql.DB) (*statements, error) {
	entries, err := queries.ReadDir("sql")
	if err != nil {
		return nil, err
	}
	s := &statements{prepared: make(map[string]*sql.Stmt, len(entries))}
	for _, e := range entries {
		text, err := queries.ReadFile("sql/" + e.Name())
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		name := strings.TrimSuffix(e.Name(), ".sql")
		for variant, text := range variants(name, string(text)) {
			stmt, err := db.PrepareContext(ctx, text)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("prepare %s: %w", variant, err), s.close())
			}
			s.prepared[variant] = stmt
		}
	}
	return s, nil
}

// bulks are the numbers of rows that one statement of insertMany inserts.
var bulks = []int{256, 64, 16, 4, 1}

// variants are the statements of a query: of one that inserts a row of "?", as
// many as there are bulks.
func variants(name, text string) map[string]string {
	start := max(strings.LastIndex(text, "(?,"), strings.LastIndex(text, "(?)"))
	if start < 0 {
		return map[string]string{name: text}
	}
	row, rest, _ := strings.Cut(text[start:], ")")
	variants := make(map[string]string)
	for _, n := range bulks {
		variants[bulk(name, n)] = text[:start] + row + ")" + strings.Repeat(", "+row+")", n-1) + rest
	}
	return variants
}

func bulk(name string, rows int) string { return fmt.Sprintf("%s of %d", name, rows) }

// insertMany runs an insertion for many rows, whose columns come one after the
// other; it returns how many of them were not there.
func (s *statements) insertMany(ctx context.Context, name string, columns int, values []any) (inserted int64, err error) {
	for _, rows := range bulks {
		for size := rows * columns; len(values) >= size; values = values[size:] {
			n, err := s.exec(ctx, bulk(name, rows), values[:size]...)
			if err != nil {
				return 0, err
			}
			inserted += n
		}
	}
	return inserted, nil
}

func (s *statements) in(tx *sql.Tx) *statements { return &statements{s.prepared, tx} }

func (s *statements) get(ctx context.Context, name string) *sql.Stmt {
	stmt := s.prepared[name]
	if stmt == nil {
		panic("datastore: no file sql/" + name + ".sql")
	}
	if s.tx != nil {
		stmt = s.tx.StmtContext(ctx, stmt)
	}
	return stmt
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// exec runs a query that has no rows; it returns how many rows it changed.
func (s *statements) exec(ctx context.Context, name string, args ...any) (changed int64, err error) {
	result, err := s.get(ctx, name).ExecContext(ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("query %s: %w", name, err)
	}
	return result.RowsAffected()
}

// insert runs an insertion and returns the new row's id.
func (s *statements) insert(ctx context.Context, name string, args ...any) (id int64, err error) {
	result, err := s.get(ctx, name).ExecContext(ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("query %s: %w", name, err)
	}
	return result.LastInsertId()
}

// row scans the first row of a query; found is false if there is none.
func (s *statements) row(ctx context.Context, name string, args []any, into ...any) (found bool, err error) {
	err = s.get(ctx, name).QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("query %s: %w", name, err)
	}
	return true, nil
}

// each calls scan for every row of a query.
func (s *statements) each(ctx context.Context, name string, args []any, scan func(*sql.Rows) error) error {
	rows, err := s.get(ctx, name).QueryContext(ctx, args...)
	if err != nil {
		return fmt.Errorf("query %s: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("query %s: %w", name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query %s: %w", name, err)
	}
	return nil
}
