package front

import (
	"context"
	"io"
	"net"
	"net/http"
)

// Package http sends an answer's header with the first 4 kB of its body, and
// then the rest: two system calls, and two times a client that waits is woken.
// Of a log that is in memory that is a large part of the work. On connections
// of [Listen] such a log goes out in one piece.

// Listen returns l with connections on which whole logs are sent at once. The
// server on it needs [ConnContext].
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &conn{TCPConn: tcp}, nil
	}
	return c, err // others are as fast as they are
}

type connKey struct{}

// ConnContext is what a [http.Server] needs for connections of [Listen]: it
// has handlers find them.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// writeWhole writes the whole body of an answer of which nothing was sent.
func writeWhole(w http.ResponseWriter, r *http.Request, body []byte) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.hold()
		defer c.release()
	}
	_, _ = w.Write(body)
}

// mostHeld is how many bytes a connection holds back at most: the size of
// package http's buffer.
const mostHeld = 4 << 10

// conn is a connection that can hold back what is written until more is.
// Between hold and release one goroutine writes to it.
type conn struct {
	*net.TCPConn
	holding bool   // the next bytes are to go out with those after them
	held    []byte // which wait
}

func (c *conn) hold() { c.holding = true }

func (c *conn) Write(p []byte) (int, error) {
	if !c.holding {
		return c.TCPConn.Write(p)
	}
	if len(c.held) == 0 && len(p) <= mostHeld {
		c.held = append(c.held, p...) // package http uses its buffer again
		return len(p), nil
	}
	before := len(c.held)
	both := net.Buffers{c.held, p}
	c.holding, c.held = false, c.held[:0]
	n, err := both.WriteTo(c.TCPConn)
	return max(0, int(n)-before), err
}

// ReadFrom is how package http has the kernel send files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if len(c.held) > 0 {
		c.release()
	}
	return c.TCPConn.ReadFrom(r)
}

// release sends what nothing came after.
func (c *conn) release() {
	c.holding = false
	if len(c.held) == 0 {
		return
	}
	_, err := c.TCPConn.Write(c.held)
	c.held = c.held[:0]
	if err != nil {
		c.Close() // nobody would learn that these bytes are missing
	}
}
