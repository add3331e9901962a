package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// A client that has connected before the stop is answered, also if it asks
// only then.
func TestWhoHasConnectedIsAnsweredAtAStop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), slog.New(slog.DiscardHandler))
	failed := make(chan error, 1)
	e.serve("test", l, failed)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for !e.someFresh() { // until the server has accepted it
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan struct{})
	go func() {
		e.stop(context.Background())
		close(stopped)
	}()
	for { // until it takes no more
		more, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		more.Close()
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
	select {
	case <-stopped:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not stop")
	}
	select {
	case err := <-failed:
		t.Errorf("got the error %v of a stop", err)
	default:
	}
}
