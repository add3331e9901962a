package datastore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/mattn/go-sqlite3" // also the driver "sqlite3"
	"golang.org/x/sys/unix"
)

// writerDriver is for the writing connection. SQLite keeps what a statement of
// many rows, or a part of a transaction, would have to undo; in a file that
// costs more than the rows do. The write-ahead log may have 16 MB before it is
// folded into the file, for while that happens nobody can write: then a graph's
// pages, which change again and again, are written there once.
const writerDriver = "sqlite3 that undoes from memory"

func init() {
	sql.Register(writerDriver, &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec("PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000", nil)
		return err
	}})
}

// A Store is an open database: one connection that writes and several that
// read. SQLite before 3.51.3 can corrupt a WAL that two connections write or
// checkpoint at the same time, so there is never a second writer in here.
type Store struct {
	Queries
	file   string
	lock   *os.File // held as long as the store is open
	writer *sql.DB
	wstmts *statements
	reader *sql.DB

	synchronous string // the writing connection's, as whoever has that set it last
}

// Open opens the database in file, which is made if it is not there, and
// brings its tables up to date. It refuses files that are not tbfg's and
// files that a newer tbfg has migrated.
func Open(ctx context.Context, file string) (*Store, error) {
	s := &Store{file: file}
	s.nodes = new(nodes)
	if err := s.open(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", file, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, file string) error {
	// SQLite would create the file with the umask's mode.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := recognise(ctx, file); err != nil {
		return err
	}
	if s.lock, err = lock(file + "-lock"); err != nil {
		return err
	}
	// Pragmas stand in the DSN because a statement would reach only one
	// connection of a pool. This driver takes WAL as a wish for
	// synchronous=NORMAL unless told otherwise, which could lose
	// acknowledged commits in a power failure.
	s.writer, err = sql.Open(writerDriver, dsn(file, "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_foreign_keys=1&_cache_size=-16000&_mutex=no&_txlock=immediate"))
	if err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	s.reader, err = sql.Open("sqlite3", dsn(file, "mode=ro&_query_only=1&_mutex=no&_busy_timeout=5000"))
	if err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(max(4, runtime.NumCPU()))
	s.reader.SetMaxIdleConns(max(4, runtime.NumCPU()))
	if s.wstmts, err = prepare(ctx, s.writer); err != nil {
		return err
	}
	if s.stmts, err = prepare(ctx, s.reader); err != nil {
		return err
	}
	var last int64
	_, err = s.stmts.row(ctx, "last_derivation", nil, &last)
	s.nodes.all = last == 0
	return err
}

// lockPatience is how long a lock is waited for. A daemon that was killed while
// it started a hook leaves a child that has the lock until it becomes the
// hook, which takes a moment on a busy machine.
const lockPatience = 2 * time.Second

// lock takes a lock that ends with the process at the latest: two daemons on
// one database would be two writers.
func lock(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Since(begin) > lockPatience {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another tbfg is using it")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close closes the database; the write-ahead log is folded into the file.
func (s *Store) Close() error {
	var errs []error
	for _, stmts := range []*statements{s.stmts, s.wstmts} {
		if stmts != nil {
			errs = append(errs, stmts.close())
		}
	}
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// File is the database's file name.
func (s *Store) File() string { return s.file }

// Sizes are how many bytes the database file and its write-ahead log have.
func (s *Store) Sizes() (file, wal int64) {
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	return size(s.file), size(s.file + "-wal")
}

// dsn makes a URI of the file name, in which '?', '#' and '%' are harmless.
func dsn(file, options string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return (&url.URL{Scheme: "file", Path: file, RawQuery: options}).String()
}
