package guixdaemon

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// An operation is the number of a request (guix/store.scm, operation-id).
type operation uint64

const (
	opIsValidPath                 operation = 1
	opQueryReferences             operation = 5
	opAddToStore                  operation = 7
	opAddTextToStore              operation = 8
	opBuildThings                 operation = 9
	opEnsurePath                  operation = 10
	opAddTempRoot                 operation = 11
	opAddIndirectRoot             operation = 12
	opSyncWithGC                  operation = 13
	opFindRoots                   operation = 14
	opSetOptions                  operation = 19
	opCollectGarbage              operation = 20
	opQueryDerivationOutputs      operation = 22
	opQueryPathInfo               operation = 26
	opQueryPathFromHashPart       operation = 29
	opQuerySubstitutablePathInfos operation = 30
	opQueryValidPaths             operation = 31
	opBuiltinBuilders             operation = 80
	opSubstituteURLs              operation = 81
)

// call performs one operation: its number, the arguments that send writes, the
// messages, and the reply that receive reads. what is for errors: the
// operation's name and what it is about. An argument that send cannot produce
// is its error, and leaves the daemon with half a request.
func (c *Conn) call(ctx context.Context, what string, op operation,
	send func(encoder) error, receive func(*decoder)) error {
	return c.run(ctx, what, func() error {
		e := encoder{c.out}
		e.uint(uint64(op))
		if send != nil {
			if err := send(e); err != nil {
				// An error of the connection explains the other.
				if lost := c.send(e); lost != nil {
					return lost
				}
				return err
			}
		}
		if err := c.send(e); err != nil {
			return err
		}
		if err := c.wait(); err != nil {
			return err
		}
		d := c.decoder()
		if receive != nil {
			receive(d)
		}
		return d.err
	})
}

// args makes an argument writer that cannot fail fit call.
func args(write func(encoder)) func(encoder) error {
	return func(e encoder) error { write(e); return nil }
}

// send flushes what was written. A daemon that dislikes a request says why and
// closes the connection before it has read all of it, so where writing fails
// an explanation may lie ready to be read. Reading cannot block then, for the
// other side is closed.
func (c *Conn) send(e encoder) error {
	err := e.Flush()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	var said *Error
	if errors.As(c.wait(), &said) {
		c.close(err)
		return said
	}
	return err
}

// wait passes log text on until the daemon is done. When the daemon failed,
// the result is an *Error.
func (c *Conn) wait() error {
	c.mu.Lock()
	log := c.log
	c.mu.Unlock()

	d := c.decoder()
	for {
		kind := d.uint()
		switch {
		case d.err != nil:
			return d.err
		case kind == stderrNext:
			if err := d.copyLog(log); err != nil {
				return err
			}
		case kind == stderrLast:
			return nil
		case kind == stderrError:
			return c.readError(d)
		default:
			return fmt.Errorf("broken protocol: %#x is no kind of message", kind)
		}
	}
}

// copyLog reads a string and writes it to w in the pieces it arrives in.
func (d *decoder) copyLog(w io.Writer) error {
	n := d.uint()
	if n > maxLog {
		d.fail("a piece of log of %d bytes, the limit is %d", n, maxLog)
	}
	for left := n; left > 0 && d.err == nil; {
		if _, d.err = d.Peek(1); d.err != nil {
			break
		}
		b, _ := d.Peek(int(min(left, uint64(d.Buffered()))))
		if w != nil {
			if _, err := w.Write(b); err != nil {
				return fmt.Errorf("write log: %w", err)
			}
		}
		d.Discard(len(b))
		left -= uint64(len(b))
	}
	d.padding(n)
	return d.err
}

// readError reads the daemon's account of a failure.
func (c *Conn) readError(d *decoder) error {
	message := d.text(maxMessage)
	if d.err != nil {
		return d.err
	}
	status := d.uint()
	if errors.Is(d.err, io.ErrUnexpectedEOF) {
		// The daemon omits the status when it fails so early that it
		// gives up, for instance at the database's schema.
		c.close(d.err)
		return daemonError(message, StatusOther)
	}
	if d.err != nil {
		return d.err
	}
	return daemonError(message, status)
}
