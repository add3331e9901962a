package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// talk runs f as the peer of a server that reads bodies, thinks and answers
// with their size. What the server's reads end with comes on the channel.
func talk(t *testing.T, think time.Duration, f func(conn net.Conn, answers *bufio.Reader, ends <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		client, side := net.Pipe()
		l := &oneConn{make(chan net.Conn, 1), make(chan struct{})}
		l.conn <- side
		ends := make(chan error, 10)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, Body(w, r))
			ends <- err
			time.Sleep(think)
			if err == nil && r.Context().Err() != nil {
				t.Errorf("the request ended early: %v", r.Context().Err())
			}
			fmt.Fprint(w, n)
		})}
		served := make(chan struct{})
		go func() {
			defer close(served)
			server.Serve(l)
		}()
		f(client, bufio.NewReader(client), ends)
		client.Close()
		server.Close()
		<-served
	})
}

// request sends the head of a request with a body of some size.
func request(t *testing.T, conn net.Conn, size int) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: farm\r\nContent-Length: %d\r\n\r\n", size); err != nil {
		t.Fatal(err)
	}
}

func answer(t *testing.T, answers *bufio.Reader, want string) {
	t.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestAPeerThatFallsSilentIsGivenUp(t *testing.T) {
	talk(t, 0, func(conn net.Conn, _ *bufio.Reader, ends <-chan error) {
		before := time.Now()
		request(t, conn, 10)
		io.WriteString(conn, "half")
		err := <-ends
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want a deadline that passed", err)
		}
		if took := time.Since(before); took != maxPause {
			t.Fatalf("it took %v, want %v", took, maxPause)
		}
	})
}

func TestAPeerThatIsSlowIsWaitedFor(t *testing.T) {
	talk(t, 0, func(conn net.Conn, answers *bufio.Reader, _ <-chan error) {
		request(t, conn, 100)
		for range 100 { // for an hour and a half
			time.Sleep(maxPause - time.Second)
			if _, err := io.WriteString(conn, "x"); err != nil {
				t.Fatal(err)
			}
		}
		answer(t, answers, "100")
	})
}

func TestAConnectionIsUsedAgainAfterALongPause(t *testing.T) {
	talk(t, 0, func(conn net.Conn, answers *bufio.Reader, _ <-chan error) {
		for _, size := range []int{3, 0, 5} {
			request(t, conn, size)
			if _, err := conn.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			answer(t, answers, fmt.Sprint(size))
			time.Sleep(5 * maxPause)
		}
	})
}

// A handler may think for long after it has read the body: the deadline of
// its reading must not end the connection.
func TestADeadlineEndsWithTheBody(t *testing.T) {
	talk(t, 5*maxPause, func(conn net.Conn, answers *bufio.Reader, _ <-chan error) {
		request(t, conn, 3)
		io.WriteString(conn, "abc")
		answer(t, answers, "3")
	})
}
