// Package courier brings what lies in an agent's spool to the coordinator:
// logs while they grow, and outputs. It keeps nothing in memory that has to
// last, and gives up only when the coordinator refuses.
package courier

import (
	"context"
	"io"
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
	// Uploads has room for as many uploads as may be under way. Logs that
	// grow do not count.
	Uploads chan struct{}
	// Compression of outputs, one of Compressions.
	Compression string

	wholeOnly atomic.Bool // the coordinator does not take logs under way
}

// turn waits until one more upload may begin.
func (c *Courier) turn(ctx context.Context) (leave func(), err error) {
	select {
	case c.Uploads <- struct{}{}:
		return func() { <-c.Uploads }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
