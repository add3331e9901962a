package spool

import (
	"fmt"
	"io"
	"os"
	"sync"
)

const logName = "log"

// A Log is a file that grows while a build runs. One goroutine writes it,
// others follow.
type Log struct {
	f     *os.File
	limit int64

	mu       sync.Mutex // guards what follows
	size     int64
	ended    bool
	tooLarge bool
	changed  chan struct{} // closed at the next change; nil while nobody waits
}

// NewLog begins the build's log anew. A log larger than limit bytes, unless
// that is zero, fails to be written.
func (e *Entry) NewLog(limit int64) (*Log, error) { return e.openLog(limit, os.O_TRUNC) }

// OldLog is the log that a killed agent has left; more may be added to it.
func (e *Entry) OldLog(limit int64) (*Log, error) { return e.openLog(limit, 0) }

func (e *Entry) openLog(limit int64, flag int) (*Log, error) {
	f, err := os.OpenFile(e.File(logName), os.O_RDWR|os.O_CREATE|flag, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool a log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("spool a log: %w", err)
	}
	return &Log{f: f, limit: limit, size: info.Size()}, nil
}

// TooLarge is the error of a write beyond the limit.
type TooLarge struct{ Limit int64 }

func (e *TooLarge) Error() string { return fmt.Sprintf("the log is larger than %d bytes", e.Limit) }

// Write adds to the log. What is beyond the limit is dropped.
func (l *Log) Write(p []byte) (n int, err error) {
	fits := p
	if left := l.limit - l.size; l.limit > 0 && int64(len(p)) > left {
		fits = p[:max(0, left)]
	}
	if n, err = l.f.WriteAt(fits, l.size); err != nil {
		err = fmt.Errorf("spool a log: %w", err)
	} else if len(fits) < len(p) {
		err = &TooLarge{l.limit}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += int64(n)
	l.tooLarge = l.tooLarge || n == len(fits) && n < len(p)
	l.wake()
	return n, err
}

// TooLarge tells whether something was dropped because of the limit.
func (l *Log) TooLarge() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tooLarge {
		return &TooLarge{l.limit}
	}
	return nil
}

// End says that nothing more will be written.
func (l *Log) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// State is the log's size, whether it has ended, and a channel that is closed
// when either changes.
func (l *Log) State() (size int64, ended bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.size, l.ended, l.changed
}

// Part reads a part of the log. Its parts may be read side by side.
func (l *Log) Part(offset, size int64) io.Reader { return io.NewSectionReader(l.f, offset, size) }

// Close ends the use of the file. What follows the log must have stopped.
func (l *Log) Close() error { return l.f.Close() }
