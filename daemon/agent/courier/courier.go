// Package courier brings what lies in an agent's spool to the coordinator:
// logs while they grow, and outputs. It keeps nothing in memory that has to
// last, and gives up only when the coordinator refuses.
package courier

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// An API is a coordinator; see package agentapi.
type API interface {
	SendLogChunk(ctx context.Context, build string, chunk wire.LogChunk, text io.Reader, size int64) (there int64, err error)
	LogSize(ctx context.Context, build string) (int64, error)
	SendLog(ctx context.Context, build string, gzip io.Reader, size int64) error
	OutputSize(ctx context.Context, build, output string) (int64, error)
	SendOutput(ctx context.Context, build, output, hash string, offset int64, file io.Reader, size int64) error
}

// A Courier delivers to one coordinator. Its methods may be called from any
// goroutine.
type Courier struct {
	API API
	// Insist repeats a request until it is taken or refused.
	Insist func(ctx context.Context, what string, do func(context.Context) error) error

	mu          sync.Mutex // guards what follows, for moments only
	parallel    int        // uploads that may be under way; logs that grow do not count
	compression string     // of outputs, one of Compressions
	uploads     int        // under way
	waiting     []chan struct{}

	wholeOnly atomic.Bool // the coordinator does not take logs under way
}

// Configure says how many uploads may be under way at the same time, at least
// one, and how outputs are compressed from now on.
func (c *Courier) Configure(parallel int, compression string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parallel, c.compression = parallel, compression
	c.admit()
}

// admit lets those in who have waited longest. The caller holds mu.
func (c *Courier) admit() {
	for len(c.waiting) > 0 && c.uploads < max(1, c.parallel) {
		c.uploads++
		close(c.waiting[0])
		c.waiting = c.waiting[1:]
	}
}

// turn waits until one more upload may begin.
func (c *Courier) turn(ctx context.Context) (leave func(), err error) {
	entered := make(chan struct{})
	c.mu.Lock()
	c.waiting = append(c.waiting, entered)
	c.admit()
	c.mu.Unlock()
	select {
	case <-entered:
		return c.leave, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	before := len(c.waiting)
	c.waiting = slices.DeleteFunc(c.waiting, func(w chan struct{}) bool { return w == entered })
	late := len(c.waiting) == before
	c.mu.Unlock()
	if late {
		c.leave()
	}
	return nil, context.Cause(ctx)
}

func (c *Courier) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads--
	c.admit()
}
