package guixdaemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// ErrClosed is what every operation on a connection returns once that has been
// closed: by Close, by a cancelled context, by a log writer's error, or because
// the daemon vanished or broke the protocol. The error says which.
var ErrClosed = errors.New("the connection to guix-daemon is closed")

// Statuses of the Error that a failed build ends in (nix/libstore/build.cc,
// Worker::exitStatus and DerivationGoal::buildDone).
const (
	// StatusOther is everything that is not one of the others. Among builds
	// those whose output is missing, has another hash than it should, or
	// differs between rounds or in a check; and those of fixed outputs, and
	// when the disk is full, because they may succeed another time.
	StatusOther = 1

	StatusFailed  = 100 // the builder failed or could not start, and will again
	StatusTimeout = 101 // silent for too long, or not done in time, or its log too large
)

// An Error is what the daemon answers instead of a reply. The connection
// remains usable, unless the daemon closes it, which the next operation tells.
type Error struct {
	Message string // without terminal escapes and final newlines
	Status  uint64
}

func (e *Error) Error() string { return "guix-daemon: " + e.Message }

// daemonError makes an Error of the daemon's words.
func daemonError(message string, status uint64) *Error {
	message = strings.TrimRight(stripEscapes(message), " \t\r\n")
	if message == "" {
		message = fmt.Sprintf("failed without a message (status %d)", status)
	}
	return &Error{Message: message, Status: status}
}

// stripEscapes removes the ANSI control sequences (ECMA-48, 5.4: ESC [, any
// number of parameter and intermediate bytes, a final byte) with which the
// daemon and its helpers colour messages; those end in logs and web pages.
func stripEscapes(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = after
		if rest, ok := strings.CutPrefix(s, "["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r < 0x20 || r > 0x3f })
			switch {
			case end < 0:
				s = ""
			case rest[end] >= 0x40 && rest[end] <= 0x7e:
				s = rest[end+1:]
			default: // cut short, or no such sequence: only its introduction goes
				s = rest[end:]
			}
		}
	}
}

// A peer is a connection whose errors say that the daemon is gone when that
// is what they mean.
type peer struct{ net.Conn }

func (p peer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	return n, gone(err)
}

func (p peer) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	return n, gone(err)
}

// gone makes io.ErrUnexpectedEOF of every way in which the end of the other
// side shows. It never is io.EOF: the end is expected only between operations,
// and there nobody reads.
func gone(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("guix-daemon closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}
