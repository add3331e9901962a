package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
)

// A client that has connected before the stop is answered, also if it asks
// only then.
func TestWhoHasConnectedIsAnsweredAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		e := newEndpoint(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), slog.New(slog.DiscardHandler))
		failed := make(chan error, 1)
		e.serve("test", l, failed)
		conn, theirs := net.Pipe()
		defer conn.Close()
		l.conns <- theirs
		synctest.Wait() // until the server has accepted it
		stopped := make(chan struct{})
		go func() {
			e.stop(context.Background())
			close(stopped)
		}()
		synctest.Wait() // until it waits for who has connected
		select {
		case <-l.done:
		default:
			t.Error("it takes more connections")
		}
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("got no answer: %v", err)
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "hello" {
			t.Errorf("got %q, %v, want hello", text, err)
		}
		<-stopped
		select {
		case err := <-failed:
			t.Errorf("got the error %v of a stop", err)
		default:
		}
	})
}
