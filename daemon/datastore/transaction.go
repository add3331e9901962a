package datastore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"database/sql"
)

// Queries are the reads, which can be done by the way or in a transaction.
type Queries struct{ stmts *statements }

// A Tx is a transaction of the writing connection.
type Tx struct {
	Queries
	tx *sql.Tx
}

// Update runs f in a transaction and commits. When it returns nil the
// changes are on the disk. When it returns an error nothing has changed,
// except that after an error of the commit itself the disk may have either.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := f(&Tx{Queries{s.wstmts.in(tx)}, tx}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// Part runs f so that it takes effect whole or not at all, whatever else the
// transaction does.
func (t *Tx) Part(ctx context.Context, f func() error) error {
	if _, err := t.tx.ExecContext(ctx, "SAVEPOINT part"); err != nil {
		return fmt.Errorf("begin part of a transaction: %w", err)
	}
	end := "RELEASE part"
	err := f()
	if err != nil {
		end = "ROLLBACK TO part; RELEASE part"
	}
	if _, e := t.tx.ExecContext(ctx, end); e != nil {
		err = errors.Join(err, fmt.Errorf("end part of a transaction: %w", e))
	}
	return err
}

// timeLayout is how upstream writes times, always in UTC.
const timeLayout = "2006-01-02 15:04:05"

// timeValue is t for the database; the zero time is NULL.
func timeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeLayout)
}

// parseTime reads what timeValue or a person wrote; the zero time stands for
// NULL and for what is no time.
func parseTime(s sql.NullString) time.Time {
	t, _ := time.Parse(timeLayout, s.String)
	return t
}
