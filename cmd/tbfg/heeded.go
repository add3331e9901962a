package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"codeberg.org/tbfg/tbfg/config"
)

// A heeded secret is what a file holds, and another one when the file is
// replaced while the farm runs.
type heeded[T any] struct {
	what, file string
	read       func(file string) (T, error)
	log        *slog.Logger

	mu  sync.Mutex // guards now
	now T
}

// heed reads a secret, and heeds it until ctx ends when its file changes.
func heed[T any](ctx context.Context, what, file string, read func(file string) (T, error), log *slog.Logger) (*heeded[T], error) {
	h := &heeded[T]{what: what, file: file, read: read, log: log}
	var err error
	if h.now, err = read(file); err != nil {
		return nil, fmt.Errorf("take %s from %s: %w", what, file, err)
	}
	go func() {
		if err := config.Watch(ctx, file, h.reread); err != nil {
			log.Error("that "+what+" is replaced will not be noticed", "file", file, "err", err)
		}
	}()
	return h, nil
}

// reread takes over what the file holds now. What is wrong changes nothing.
func (h *heeded[T]) reread() {
	h.mu.Lock()
	defer h.mu.Unlock()
	next, err := h.read(h.file)
	switch {
	case err != nil:
		h.log.Warn("going on with "+h.what+" that there was", "file", h.file, "err", err)
	case !reflect.DeepEqual(next, h.now):
		h.now = next
		h.log.Info("going on with another: "+h.what, "file", h.file)
	}
}

func (h *heeded[T]) value() T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}
