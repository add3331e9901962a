// Package memory bounds the garbage of the process that it runs in.
//
// A farm with a million builds holds most of its memory for ever. Go would let
// as much garbage gather again before it collects, which a large farm has no room
// for. A small farm holds next to nothing, and Go would collect dozens of times
// while it reads one graph. So garbage is bounded to a number of bytes, or a
// part of the whole where that is more. What there is to look through holds few
// pointers, so that collecting more often costs little.
package memory

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	garbage    = 14 << 20
	leastSpare = 25 // percent of what is in use
	mostSpare  = 1000
)

// Save keeps garbage small until ctx ends, unless the environment says how much
// there may be.
func Save(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	k := &keeper{ctx: ctx}
	k.adjust()
}

// A keeper looks after each collection how much is left in use.
type keeper struct {
	ctx context.Context
	now int // percent
}

// adjust sets the bound, and comes again after the next collection: that finds
// the mark, which nothing refers to.
func (k *keeper) adjust() {
	if k.ctx.Err() != nil {
		debug.SetGCPercent(100) // Go's own
		return
	}
	// Go reckons the stacks to what is in use.
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	metrics.Read(live)
	if percent := gcPercent(live[0].Value.Uint64() + live[1].Value.Uint64()); percent != k.now {
		debug.SetGCPercent(percent)
		k.now = percent
	}
	mark := new([16]byte) // too large to share its block with other small things
	runtime.AddCleanup(mark, (*keeper).adjust, k)
}

// gcPercent is how much garbage there may be beside what is in use, in percent
// of that, in steps so that it seldom changes.
func gcPercent(live uint64) int {
	percent := mostSpare
	for percent > leastSpare && live*uint64(percent)/100 > garbage {
		percent -= leastSpare
	}
	return percent
}
