package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A farm with a million builds holds most of its memory for ever. Go would let
// as much garbage gather again before it collects; these bound that to a
// number of bytes, or a part of the whole where that is more. What there is to
// look through holds few pointers, so that collecting more often costs little.
const (
	garbage    = 64 << 20
	leastSpare = 25 // percent of what is in use
)

// saveMemory keeps garbage small until ctx ends, unless the environment says
// how much there may be.
func saveMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(leastSpare) // while the queue is read, which leaves much
	go func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		now := leastSpare
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(live)
			if percent := gcPercent(live[0].Value.Uint64()); percent != now {
				debug.SetGCPercent(percent)
				now = percent
			}
		}
	}()
}

// gcPercent is how much garbage there may be beside what is in use, in percent
// of that, in steps so that it seldom changes.
func gcPercent(live uint64) int {
	percent := 100
	for percent > leastSpare && live*uint64(percent)/100 > garbage {
		percent -= leastSpare
	}
	return percent
}
