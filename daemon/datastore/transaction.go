package datastore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Queries are the reads, which can be done by the way or in a transaction.
type Queries struct {
	stmts *statements
	nodes *nodes // of the store
}

// A Tx is a transaction of the writing connection.
type Tx struct {
	Queries
	tx  *sql.Tx
	met met // which the store remembers when they are committed
}

// Update runs f in a transaction and commits. When it returns nil the
// changes are on the disk. When it returns an error nothing has changed,
// except that after an error of the commit itself the disk may have either.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	return s.update(ctx, "FULL", f)
}

// UpdateSoon is Update for what nobody is told to be there: it does not wait for
// the disk. A power failure may undo it, but nothing that came before it, and
// none of it once a later Update has returned.
func (s *Store) UpdateSoon(ctx context.Context, f func(*Tx) error) error {
	return s.update(ctx, "NORMAL", f)
}

func (s *Store) update(ctx context.Context, synchronous string, f func(*Tx) error) (err error) {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // gives it back
	if s.synchronous != synchronous {
		if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+synchronous); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		s.synchronous = synchronous
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	t := &Tx{Queries: Queries{s.wstmts.in(tx), s.nodes}, tx: tx}
	defer func() {
		if err != nil {
			t.met.back(0)
		}
	}()
	if err := f(t); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = ctx.Err() // the rollback for it came first
		}
		return fmt.Errorf("commit transaction: %w", err)
	}
	s.nodes.add(t.met)
	return nil
}

// ErrGone says that SQLite has rolled the transaction back by itself, as it
// does when the disk is full. What would still be done would not be part of
// any.
var ErrGone = errors.New("the transaction was rolled back")

// Part runs f so that it takes effect whole or not at all, whatever else the
// transaction does. With ErrGone the transaction has ended.
func (t *Tx) Part(ctx context.Context, f func() error) error {
	if _, err := t.stmts.exec(ctx, "part_begin"); err != nil {
		return fmt.Errorf("begin part of a transaction: %w", err)
	}
	before := len(t.met)
	err := f()
	if err == nil {
		if _, err := t.stmts.exec(ctx, "part_end"); err != nil {
			return fmt.Errorf("end part of a transaction: %w", err)
		}
		return nil
	}
	t.met.back(before)
	if _, e := t.tx.ExecContext(ctx, "ROLLBACK TO part; RELEASE part"); e != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", ErrGone, e)) // with its savepoints
	}
	return err
}

// Settle commits something that changes nothing. After a commit that failed
// while it was made to last, SQLite counts it as not done but has it in its
// write-ahead log, where a restart would find it; this takes its place.
func (s *Store) Settle(ctx context.Context) error {
	return s.Update(ctx, func(t *Tx) error {
		var version int
		if err := t.tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		_, err := t.tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
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
