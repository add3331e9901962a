package buildlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/durable"

	"github.com/klauspost/compress/gzip"
)

// LiveName is the file, in a build's directory, of a log under way: plain
// text. It is not synced, since the agent keeps its own copy until the log is
// acknowledged as a whole: what a power failure takes is sent again.
const LiveName = "live"

// liveLog is a log under way that somebody writes or follows at the moment.
// Others are only files.
type liveLog struct {
	write sync.Mutex // held while the file changes; taken before Store.mu

	// Store.mu guards the rest.
	users   int
	changed chan struct{} // closed and replaced at each change
	ended   bool          // for those who follow: what they have open is all there is
}

func (s *Store) liveFile(uuid string) string { return filepath.Join(s.dir, uuid, LiveName) }

// use finds or makes what is shared about a log; release must follow.
func (s *Store) use(uuid string) *liveLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[uuid]
	if l == nil {
		l = &liveLog{changed: make(chan struct{})}
		s.live[uuid] = l
	}
	l.users++
	return l
}

// release forgets a log that nobody uses any more. One that ended has left
// the map before.
func (s *Store) release(uuid string, l *liveLog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.users--; l.users == 0 && s.live[uuid] == l {
		delete(s.live, uuid)
	}
}

// locked runs change while nobody else changes the log. A log that ended
// while we waited has a successor.
func (s *Store) locked(uuid string, change func(*liveLog) error) error {
	for {
		l := s.use(uuid)
		l.write.Lock()
		s.mu.Lock()
		ended := l.ended
		s.mu.Unlock()
		var err error
		if !ended {
			err = change(l)
		}
		l.write.Unlock()
		s.release(uuid, l)
		if !ended {
			return err
		}
	}
}

// tell wakes all who follow.
func (s *Store) tell(uuid string, l *liveLog, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	if ended {
		l.ended = true
		delete(s.live, uuid)
	}
}

// Append adds plain text to a build's log under way, where p begins at offset
// bytes from the start. What is there already is skipped, so the same may be
// sent again. It returns how many bytes are there. An offset beyond that is an
// error of the code [daemon.Conflict], and the sender goes on from the size.
// The UUID must have been checked.
func (s *Store) Append(uuid string, offset int64, p []byte) (size int64, err error) {
	err = s.locked(uuid, func(l *liveLog) error {
		f, err := s.openLive(uuid, offset)
		if errors.Is(err, fs.ErrNotExist) && offset != 0 {
			return gap(offset, 0) // nothing begins in its middle
		}
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		size = info.Size()
		if offset < 0 || offset > size {
			return gap(offset, size)
		}
		if size-offset >= int64(len(p)) {
			return nil
		}
		p = p[size-offset:]
		if size+int64(len(p)) > s.limit {
			return tooLarge()
		}
		n, err := f.WriteAt(p, size)
		size += int64(n)
		s.tell(uuid, l, false)
		return err
	})
	if err != nil {
		return size, fmt.Errorf("add to the log of build %s: %w", uuid, err)
	}
	return size, nil
}

func gap(offset, size int64) error {
	return daemon.Errorf(daemon.Conflict, "a chunk of the log begins at byte %d, but there are %d bytes", offset, size)
}

// openLive opens the file for writing, and makes it for a log's first chunk.
func (s *Store) openLive(uuid string, offset int64) (*os.File, error) {
	f, err := os.OpenFile(s.liveFile(uuid), os.O_WRONLY, 0o644)
	if offset != 0 || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := durable.MkdirAll(filepath.Join(s.dir, uuid), 0o755); err != nil {
		return nil, err
	}
	f, err = os.OpenFile(s.liveFile(uuid), os.O_WRONLY|os.O_CREATE, 0o644)
	s.changes.Add(1) // now that it is there
	return f, err
}

// Live is the size of a build's log under way, if there is one.
func (s *Store) Live(uuid string) (size int64, ok bool) {
	info, err := os.Stat(s.liveFile(uuid))
	if err != nil {
		return 0, false
	}
	return info.Size(), true
}

// Restart forgets a build's log under way, because the build began anew. Those
// who follow come to the end of what was written; to go on they follow anew.
func (s *Store) Restart(uuid string) error {
	if _, there := s.Live(uuid); !there {
		return nil
	}
	return s.locked(uuid, func(l *liveLog) error { return s.endLive(uuid, l) })
}

// endLive removes the file under way. Those who follow have it open.
func (s *Store) endLive(uuid string, l *liveLog) error {
	err := os.Remove(s.liveFile(uuid))
	s.changes.Add(1) // of the finished log that it became, too
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("end the log of build %s: %w", uuid, err)
	}
	s.tell(uuid, l, true)
	return nil
}

// Finish makes a build's log under way, of which the sender has sent size
// bytes, the build's log. When it returns nil the log is on the disk, and
// those who follow come to its end. It may be repeated. If fewer bytes are
// there the error has the code [daemon.Conflict].
func (s *Store) Finish(uuid string, size int64) error {
	return s.locked(uuid, func(l *liveLog) error {
		there, live := s.Live(uuid)
		switch {
		case !live && size == 0: // a log of nothing was never under way
		case !live && s.has(uuid):
			return nil // the answer to the first Finish was lost
		case there != size:
			return daemon.Errorf(daemon.Conflict, "finish the log of build %s: it has %d bytes, not %d", uuid, there, size)
		}
		return s.finish(uuid, l, live)
	})
}

// End makes what there is of a log under way the build's log, because nobody
// will send the rest. Without a log under way it does nothing.
func (s *Store) End(uuid string) error {
	if _, there := s.Live(uuid); !there {
		return nil
	}
	return s.locked(uuid, func(l *liveLog) error {
		if _, live := s.Live(uuid); !live {
			return nil
		}
		// A chunk that was repeated late, after all was finished, is no
		// reason to forget the rest.
		if complete, err := s.contains(uuid); complete || err != nil {
			return errors.Join(err, s.endLive(uuid, l))
		}
		return s.finish(uuid, l, true)
	})
}

// contains tells whether a build's log begins with what is under way.
func (s *Store) contains(uuid string) (bool, error) {
	if !s.has(uuid) {
		return false, nil
	}
	log, err := os.Open(s.File(uuid))
	if err != nil {
		return false, err
	}
	defer log.Close()
	text, err := gzip.NewReader(log)
	if err != nil {
		return false, err
	}
	live, err := os.Open(s.liveFile(uuid))
	if err != nil {
		return false, err
	}
	defer live.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(live, a)
		if n > 0 {
			if m, _ := io.ReadFull(text, b[:n]); m < n || !bytes.Equal(a[:n], b[:n]) {
				return false, nil
			}
		}
		if err != nil {
			return err == io.EOF || err == io.ErrUnexpectedEOF, nil
		}
	}
}

// has tells whether a build's log is there.
func (s *Store) has(uuid string) bool {
	_, err := os.Stat(s.File(uuid))
	return err == nil
}

// finish writes log.gz in place of the file under way, if there is one. Its
// temporary file lies beside that: who was killed here is asked again to
// finish this log, and finds it.
func (s *Store) finish(uuid string, l *liveLog, live bool) error {
	dir := filepath.Join(s.dir, uuid)
	err := durable.MkdirAll(dir, 0o755)
	if err == nil {
		err = durable.Sweep(dir)
	}
	if err != nil {
		return fmt.Errorf("finish the log of build %s: %w", uuid, err)
	}
	f, err := durable.Create(s.File(uuid), 0o644)
	if err != nil {
		return fmt.Errorf("finish the log of build %s: %w", uuid, err)
	}
	defer f.Abort()
	z := gzip.NewWriter(f)
	if live {
		err = copyFile(z, s.liveFile(uuid))
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		return fmt.Errorf("finish the log of build %s: %w", uuid, err)
	}
	return s.endLive(uuid, l)
}

func copyFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// Follow reads a build's log under way from its start, waits for what comes,
// and is at its end (io.EOF) when the log is finished or begun anew. A read
// fails when ctx ends. Without a log under way the error is [fs.ErrNotExist].
func (s *Store) Follow(ctx context.Context, uuid string) (io.ReadCloser, error) {
	l := s.use(uuid)
	// What ends the log removes the file before it says so: if the file is
	// there, the end is still to come.
	f, err := os.Open(s.liveFile(uuid))
	if err != nil {
		s.release(uuid, l)
		return nil, fmt.Errorf("follow the log of build %s: %w", uuid, err)
	}
	return &follower{ctx: ctx, s: s, uuid: uuid, l: l, f: f}, nil
}

// follower reads a log under way. It is for one goroutine.
type follower struct {
	ctx  context.Context
	s    *Store
	uuid string
	l    *liveLog
	f    *os.File
}

func (r *follower) Read(p []byte) (int, error) {
	for {
		r.s.mu.Lock()
		changed, ended := r.l.changed, r.l.ended
		r.s.mu.Unlock()
		n, err := r.f.Read(p) // after the look: what comes later closes changed
		if n > 0 || err != io.EOF || ended || len(p) == 0 {
			return n, err
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
}

// Close ends the reading.
func (r *follower) Close() error {
	r.s.release(r.uuid, r.l)
	return r.f.Close()
}
