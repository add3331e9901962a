package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// endpoint is a server in which peers that say nothing cannot keep a
// connection; bodies have their own limits, see package wire. When it stops,
// all who have connected are answered: package http alone would drop a request
// that it reads after Shutdown began, and at a restart by the Shepherd, which
// keeps the sockets, nobody should notice anything.
type endpoint struct {
	*http.Server

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
	fresh     map[net.Conn]bool // connections from which nothing was read yet
	stopping  bool
}

func newEndpoint(handler http.Handler, log *slog.Logger) *endpoint {
	s := &endpoint{fresh: make(map[net.Conn]bool)}
	s.Server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         s.connection,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

func (s *endpoint) connection(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.fresh[c] = true
	} else {
		delete(s.fresh, c)
	}
}

// serve accepts connections until the server stops, and tells of an error.
func (s *endpoint) serve(name string, l net.Listener, failed chan<- error) {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	go func() {
		err := s.Serve(l)
		s.mu.Lock()
		stopping := s.stopping
		s.mu.Unlock()
		if !stopping && !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve %s connections: %w", name, err)
		}
	}()
}

// How long those who have connected and said nothing are waited for, and how
// often they are looked at.
const (
	freshPatience = time.Second
	freshLook     = 5 * time.Millisecond
)

// stop ends the server when those who have connected were answered, or ctx
// ends.
func (s *endpoint) stop(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // it may be closed already
	}
	for end := time.Now().Add(freshPatience); time.Now().Before(end) && ctx.Err() == nil && s.someFresh(); {
		time.Sleep(freshLook)
	}
	_ = s.Shutdown(ctx) // complains that the listeners are closed
	if ctx.Err() != nil {
		s.Close()
	}
}

func (s *endpoint) someFresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fresh) > 0
}
