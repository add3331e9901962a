// Package buildlog keeps the builds' logs on disk, where the web server of
// the post "Tiny Build Farm for Guix" looks for them:
//
//	<state>/build-logs/<uuid>/log.gz
//
// A log under way lies beside it, as plain text, in the file live.
//
// Trust: whoever can write there decides what people read as a build's log;
// nothing else follows from it. Size: one gzip file a build, and its text while
// it is under way, each bounded by the limit given to [Open]. Loss: a lost log is gone, nothing else misses it.
package buildlog

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/durable"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// Name is the file's name in a build's directory.
const Name = "log.gz"

// A Store keeps logs below one directory.
type Store struct {
	dir     string
	limit   int64
	changes atomic.Int64

	mu   sync.Mutex
	live map[string]*liveLog // those that somebody writes or follows
}

// Open makes the directory if need be and clears what a killed daemon left
// half-written. limit is the largest log in bytes, both as it arrives and
// without compression.
func Open(dir string, limit int64) (*Store, error) {
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open build logs: %w", err)
	}
	if err := durable.Sweep(dir); err != nil {
		return nil, fmt.Errorf("open build logs: %w", err)
	}
	return &Store{dir: dir, limit: limit, live: make(map[string]*liveLog)}, nil
}

// File is the name of the file of a build's log, which may not be there.
// The UUID must have been checked.
func (s *Store) File(uuid string) string { return filepath.Join(s.dir, uuid, Name) }

// Changes counts the changes since Open of what logs there are, finished or
// under way, after they were made: while it stays the same, and no other
// program meddles, the log of a build is what it was, and one that is finished
// is not under way again.
func (s *Store) Changes() int64 { return s.changes.Load() }

// Formats are the compressions that Save takes.
var Formats = []string{"gzip", "bzip2", "none"}

// Save stores a build's log in the place of one that is there. What arrives
// as gzip is checked and kept as it is; the rest becomes gzip. When Save
// returns nil the log is on the disk.
func (s *Store) Save(uuid, format string, body io.Reader) error {
	// The temporary file lies in the common directory, where Open finds it.
	f, err := durable.Create(filepath.Join(s.dir, uuid+".gz"), 0o644)
	if err != nil {
		return fmt.Errorf("save log of build %s: %w", uuid, err)
	}
	defer f.Abort()
	limited := &limitReader{r: body, left: s.limit}
	switch format {
	case "gzip":
		err = badData(format, checkGzip(io.TeeReader(limited, f), s.limit))
	case "bzip2":
		err = badData(format, s.recompress(f, bzip2.NewReader(limited)))
	case "none":
		err = s.recompress(f, limited)
	default:
		err = daemon.Errorf(daemon.Invalid, "the log format %q is not known; use gzip, bzip2 or none", format)
	}
	if err != nil {
		return fmt.Errorf("save log of build %s: %w", uuid, err)
	}
	if err := durable.MkdirAll(filepath.Join(s.dir, uuid), 0o755); err != nil {
		return fmt.Errorf("save log of build %s: %w", uuid, err)
	}
	defer s.changes.Add(1)
	if err := f.CommitAs(s.File(uuid)); err != nil {
		return err
	}
	return s.Restart(uuid) // what was under way is in it
}

// checkGzip reads a whole gzip file, whose text may have limit bytes.
func checkGzip(r io.Reader, limit int64) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	z, err := gzip.NewReader(buffered)
	if err == nil {
		_, err = io.Copy(io.Discard, &limitReader{r: z, left: limit})
	}
	if err == nil {
		_, err = io.Copy(io.Discard, buffered) // the tee must have seen it all
	}
	return err
}

func (s *Store) recompress(w io.Writer, r io.Reader) error {
	z := gzip.NewWriter(w)
	if _, err := io.Copy(z, &limitReader{r: r, left: s.limit}); err != nil {
		return err
	}
	return z.Close()
}

// badData blames the sender for data that cannot be decompressed.
func badData(format string, err error) error {
	var block flate.CorruptInputError
	var stream bzip2.StructuralError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &block) ||
		errors.As(err, &stream) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return daemon.Errorf(daemon.Invalid, "the log is not %s data: %v", format, err)
	}
	return err
}

// limitReader fails where the log gets larger than is allowed.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, tooLarge()
	}
	return n, err
}

func tooLarge() error {
	return daemon.Errorf(daemon.TooLarge, "the log is larger than the coordinator's limit (coordinator.max_log_size)")
}

// Remove deletes a build's log, if there is one.
func (s *Store) Remove(uuid string) error {
	if err := s.Restart(uuid); err != nil {
		return err
	}
	defer s.changes.Add(1)
	if err := os.RemoveAll(filepath.Join(s.dir, uuid)); err != nil {
		return fmt.Errorf("remove log of build %s: %w", uuid, err)
	}
	return nil
}
