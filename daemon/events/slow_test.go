package events

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// pipes is a listener of connections without a buffer, whose time is the
// bubble's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// ask sends a request for the stream and reads the header of the answer.
func (p *pipes) ask(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	ours, theirs := net.Pipe()
	p.conns <- theirs
	if _, err := io.WriteString(ours, "GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(ours)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return ours, r
}

func TestAStuckFollowerIsDroppedAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		store, err := datastore.Open(ctx, filepath.Join(t.TempDir(), "tbfg.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		c, err := coordinator.Open(ctx, coordinator.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var log strings.Builder
		stream := New(c, 0, slog.New(slog.NewTextHandler(&log, nil)))
		run, end := context.WithCancel(ctx)
		go stream.Run(run)
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: stream}
		go server.Serve(p)

		agent, err := c.NewAgent(ctx, "", "bedok", "")
		if err != nil {
			t.Fatal(err)
		}
		stuck, _ := p.ask(t)
		defer stuck.Close()
		reading, r := p.ask(t)
		defer reading.Close()
		for range 3 {
			began := time.Now()
			if err := c.ReportStatus(ctx, agent, daemon.AgentStatus{Status: "idle"}); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < 1; {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(line, "id: ") {
					n++
				}
			}
			if took := time.Since(began); took > 2*gather {
				t.Errorf("an event took %v to one who reads", took)
			}
		}
		if n := stream.Followers(); n != 2 {
			t.Errorf("got %d followers, want both", n)
		}
		go io.Copy(io.Discard, r)
		time.Sleep(maxPause + time.Second)
		synctest.Wait()
		if n := stream.Followers(); n != 1 {
			t.Errorf("after %v: got %d followers, want the one who reads", maxPause, n)
		}
		if !strings.Contains(log.String(), "a follower of the events was dropped") {
			t.Errorf("got the log %q, want a line on the one that was dropped", log.String())
		}
		end() // the stream's end is the followers'
		synctest.Wait()
		if n := stream.Followers(); n != 0 {
			t.Errorf("at the end: got %d followers, want none", n)
		}
		server.Close()
	})
}
