// Package proxy is the network between two programs of ours on a bad day.
package proxy

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Fault is what happens to a connection.
type Fault string

// The faults; a connection has at most one.
const (
	none      Fault = ""
	Cut       Fault = "cut"       // the connection ends in the middle
	Stall     Fault = "stall"     // nothing comes through any more, and nobody is told
	Duplicate Fault = "duplicate" // each request arrives once more, by itself, when the connection has ended
)

// A Proxy passes connections on to a server. After its faults it is a good one.
type Proxy struct {
	Server string // address
	Random *rand.Rand
	Faults map[Fault]int // how many connections have each, the first ones
	Within int           // a fault comes before so many bytes from the client
	Stalls time.Duration // how long a client that got stuck is left alone; zero for ever

	mu sync.Mutex // guards Random and Faults once it runs
}

// Start runs a proxy until the test ends and returns its address.
func (p *Proxy) Start(t *testing.T) string {
	t.Helper()
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
func (p *Proxy) next() (Fault, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []Fault
	for _, f := range []Fault{Cut, Stall, Duplicate} {
		if p.Faults[f] > 0 {
			left = append(left, f)
		}
	}
	if left == nil {
		return none, 0
	}
	f := left[p.Random.IntN(len(left))]
	p.Faults[f]--
	return f, p.Random.IntN(p.Within)
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.Server)
	if err != nil {
		return
	}
	defer server.Close()
	fault, after := p.next()
	var stuck, answered atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(client, noticed{server, &answered})
		if !stuck.Load() {
			client.Close()
		}
	}()
	var requests [][]byte
	answered.Store(true)
	buf := make([]byte, 16<<10)
	for {
		n, err := client.Read(buf)
		if fault == Duplicate && n > 0 {
			if answered.Swap(false) {
				requests = append(requests, nil)
			}
			last := &requests[len(requests)-1]
			*last = append(*last, buf[:n]...)
		}
		after -= n
		if fault == Stall && after < 0 {
			stuck.Store(true)
			server.Close()
			if p.Stalls > 0 {
				client.SetReadDeadline(time.Now().Add(p.Stalls))
			}
			io.Copy(io.Discard, client) // until its patience is over
			break
		}
		server.Write(buf[:n])
		if err != nil || fault == Cut && after < 0 {
			break
		}
	}
	server.Close()
	<-ended
	// One after the other, a question that waits for news would delay the rest.
	var again sync.WaitGroup
	for _, r := range requests {
		again.Go(func() { p.replay(r) })
	}
	again.Wait()
}

// noticed notes that something was read.
type noticed struct {
	io.Reader
	something *atomic.Bool
}

func (n noticed) Read(b []byte) (int, error) {
	size, err := n.Reader.Read(b)
	if size > 0 {
		n.something.Store(true)
	}
	return size, err
}

func (p *Proxy) replay(request []byte) {
	server, err := net.Dial("tcp", p.Server)
	if err != nil {
		return
	}
	defer server.Close()
	server.Write(request)
	server.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, server)
}
