package guixdaemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Version is the protocol that this client speaks.
const Version = 0x164

const (
	clientMagic = 0x6e697863 // "cxin"
	serverMagic = 0x6478696f // "oixd"
)

// Kinds of message that the daemon sends while it works
// (nix/libstore/worker-protocol.hh).
const (
	stderrNext  = 0x6f6c6d67 // a piece of log
	stderrLast  = 0x616c7473 // done, the reply follows
	stderrError = 0x63787470 // failed, no reply follows
)

// A Conn is a connection to guix-daemon. Its methods may be called from any
// goroutine; operations wait for each other, in no particular order.
//
// Every operation takes a context. When that ends, the operation does, with
// the context's cause, and the connection is closed, because that is the only
// way to tell the daemon: it kills the build under way. The connection is
// closed as well when the daemon vanishes or breaks the protocol and when the
// log writer fails. An [Error] leaves it usable.
//
// What a connection has added, built or named as a temporary root is safe from
// the garbage collector until the connection is closed, and no longer.
type Conn struct {
	nc     net.Conn
	server uint64 // the daemon's protocol version; set by the handshake

	// turn is taken, by sending, for the length of an operation. Its
	// holder owns in and out.
	turn chan struct{}
	in   *bufio.Reader
	out  *bufio.Writer

	mu   sync.Mutex // guards what follows, for moments only
	log  io.Writer
	dead error // why the connection was closed; nil while it is open
}

// NewConn performs the handshake on nc, which belongs to the Conn from then
// on: when NewConn fails, it has closed nc.
func NewConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	c := &Conn{
		nc:   nc,
		turn: make(chan struct{}, 1),
		in:   bufio.NewReaderSize(peer{nc}, 32<<10),
		out:  bufio.NewWriterSize(peer{nc}, 32<<10),
	}
	if err := c.run(ctx, "handshake", c.handshake); err != nil {
		c.close(err)
		return nil, err
	}
	return c, nil
}

// Close closes the connection, and thereby ends an operation under way.
func (c *Conn) Close() error {
	c.close(ErrClosed)
	return nil
}

// close closes the connection for the given reason and returns the reason why
// it is closed, which is another if it was closed already.
func (c *Conn) close(reason error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead == nil {
		c.dead = reason
		leave(c.nc)
	}
	return c.dead
}

// ServerVersion is the protocol that the daemon speaks, such as 0x164.
func (c *Conn) ServerVersion() uint64 { return c.server }

// minor is the part of the daemon's version that says what it can do.
func (c *Conn) minor() uint64 { return c.server & 0xff }

// Multiplexes tells whether the daemon honours
// [Options.MultiplexedBuildOutput]; daemons before October 2018 do not.
func (c *Conn) Multiplexes() bool { return c.minor() >= 0x63 }

// SetLog makes w receive the daemon's log text from the next operation on,
// byte by byte as it comes: builders' output, traces (see [Trace]) and the
// daemon's own words. Nil, the initial state, discards it. A write error ends
// the operation and closes the connection. A writer that blocks makes the
// daemon block, and the operation deaf to its context until it returns.
func (c *Conn) SetLog(w io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = w
}

// run performs f while nobody else uses the connection. What f returns closes
// the connection, unless that is nil or an *Error. what names f in errors.
func (c *Conn) run(ctx context.Context, what string, f func() error) error {
	// With both ready, select chooses at random.
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if err := c.closed(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	// Closing breaks blocked reads and writes, and reaches the daemon even
	// when this goroutine hangs in the caller's log writer.
	stop := context.AfterFunc(ctx, func() { c.close(context.Cause(ctx)) })
	err := f()
	if !stop() {
		// The function may not have run yet; nobody must find an open
		// connection that is about to be closed.
		c.close(context.Cause(ctx))
	}
	if err == nil {
		return nil
	}
	if _, ok := err.(*Error); !ok {
		// The first reason counts: after a cancellation the error is
		// only the trace of it.
		err = c.close(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// closed returns the error of operations on a closed connection.
func (c *Conn) closed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead == nil || errors.Is(c.dead, ErrClosed) {
		return c.dead
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.dead)
}

// handshake is open-connection of guix/store.scm.
func (c *Conn) handshake() error {
	e, d := encoder{c.out}, c.decoder()
	e.uint(clientMagic)
	if err := e.Flush(); err != nil {
		return err
	}
	if magic := d.uint(); d.err == nil && magic != serverMagic {
		return fmt.Errorf("not a guix-daemon: it answers %#x", magic)
	}
	c.server = d.uint()
	switch {
	case d.err != nil:
		return d.err
	case c.server&^0xff != Version&^0xff:
		return fmt.Errorf("the daemon speaks protocol %#x, this client %#x: the major parts differ", c.server, Version)
	case c.minor() < 15:
		// From 0x10f on the build mode and every part of the greeting
		// exist; no Guix of this decade is older.
		return fmt.Errorf("the daemon speaks protocol %#x, which is too old", c.server)
	}
	e.uint(Version)
	e.uint(0) // no CPU affinity
	e.uint(1) // reserve disk space, so that garbage can be collected on a full disk
	if err := c.send(e); err != nil {
		return err
	}
	return c.wait()
}
