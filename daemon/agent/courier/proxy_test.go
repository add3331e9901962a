package courier_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// A proxy between agent and coordinator that does what networks do. After
// some number of faults it is a good one.
type proxy struct {
	t      *testing.T
	server string

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	left   map[fault]int
}

type fault string

const (
	none      fault = ""
	cut       fault = "cut"       // the connection ends in the middle
	stall     fault = "stall"     // nothing comes through any more, and nobody is told
	duplicate fault = "duplicate" // what was sent arrives once more, by itself
)

// newProxy returns the proxy's address.
func newProxy(t *testing.T, server string, faults map[fault]int) string {
	t.Helper()
	p := &proxy{t: t, server: server, random: rand.New(rand.NewPCG(1, 2)), left: faults}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	over, end := context.WithCancel(context.Background())
	t.Cleanup(func() {
		end()
		l.Close()
		conns.Wait()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer context.AfterFunc(over, func() { c.Close() })() // those that are kept open for more
				p.serve(c)
			})
		}
	}()
	return l.Addr().String()
}

// next is what happens to a connection, and after how many bytes from the
// client.
func (p *proxy) next() (fault, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f, n := range p.left { // in any order
		if n > 0 {
			p.left[f]--
			return f, p.random.IntN(200_000)
		}
	}
	return none, 0
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	fault, after := p.next()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(client, server)
		client.Close()
	}()
	var sent []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := client.Read(buf)
		if fault == duplicate {
			sent = append(sent, buf[:n]...)
		}
		after -= n
		if fault == stall && after < 0 {
			server.Close()
			io.Copy(io.Discard, client) // until its patience is over
			break
		}
		server.Write(buf[:n])
		if err != nil || fault == cut && after < 0 {
			break
		}
	}
	server.Close()
	<-ended
	if fault == duplicate {
		p.replay(sent)
	}
}

func (p *proxy) replay(sent []byte) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	server.Write(sent)
	server.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, server)
}
