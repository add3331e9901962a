package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/config"
)

// A heeded secret is what a file holds, and another one when the file is
// replaced while the farm runs.
type heeded[T any] struct {
	what, file string
	read       func(file string) (T, error)
	log        *slog.Logger

	reading sync.Mutex // held by who reads, so that what was read last counts
	now     atomic.Pointer[T]
}

// heed reads a secret, and heeds it until ctx ends when its file changes.
func heed[T any](ctx context.Context, what, file string, read func(file string) (T, error), log *slog.Logger) (*heeded[T], error) {
	h := &heeded[T]{what: what, file: file, read: read, log: log}
	now, err := h.load()
	if err != nil {
		return nil, fmt.Errorf("take %s from %s: %w", what, file, err)
	}
	h.now.Store(&now)
	go func() {
		if err := config.Watch(ctx, file, h.reread); err != nil {
			log.Error("that "+what+" is replaced will not be noticed", "file", file, "err", err)
		}
	}()
	return h, nil
}

// load reads the file. To open a pipe would wait for somebody who writes to it.
func (h *heeded[T]) load() (secret T, err error) {
	info, err := os.Stat(h.file)
	if err != nil {
		return secret, err
	}
	if !info.Mode().IsRegular() {
		return secret, errors.New("it is not a regular file")
	}
	return h.read(h.file)
}

// reread takes over what the file holds now. What is wrong changes nothing.
func (h *heeded[T]) reread() {
	h.reading.Lock()
	defer h.reading.Unlock()
	next, err := h.load()
	switch {
	case err != nil:
		h.log.Warn("going on with "+h.what+" that there was", "file", h.file, "err", err)
	case !reflect.DeepEqual(next, h.value()):
		h.now.Store(&next)
		h.log.Info("going on with another: "+h.what, "file", h.file)
	}
}

// value is what the file last held; it waits for no disk.
func (h *heeded[T]) value() T { return *h.now.Load() }
