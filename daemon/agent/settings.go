package agent

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Settings are what may change while an agent runs. A build keeps to those
// that there were when it began.
type Settings struct {
	Systems []string

	MaxParallelBuilds  int
	MaxParallelUploads int
	MaxAllocatedBuilds int     // builds to hold in all; zero for twice MaxParallelBuilds
	MaxLoad            float64 // 1-minute load average above which nothing starts; zero for the number of processors
	MinFree            int64   // bytes that must be free on the disks of store and spool for builds to be asked for and begun

	// Limits of a build; zero leaves one to the daemon, a negative duration
	// is none. A build's tags can name others, see limits.
	Cores         int
	Timeout       time.Duration
	MaxSilentTime time.Duration

	AllowExisting bool // take outputs that are there already for built

	// DerivationURLs and InputURLs are the substitute servers for
	// derivations and for all else; nil leaves them to the daemon.
	DerivationURLs []string
	InputURLs      []string

	Compression string        // of outputs, one of courier.Compressions; empty for lzip
	MaxLogSize  int64         // of a build, in bytes; a build with a larger one fails; zero for no limit
	Grace       time.Duration // how long running builds may go on when the agent stops
}

// current is what is in effect, with what depends on it.
type current struct {
	Settings
	derivations, others *fetcher // of store items
}

// Configure gives the agent other settings. Builds that run are left alone,
// and those that are handed out to us already are built.
func (a *Agent) Configure(s Settings) error {
	if s.MaxParallelBuilds < 1 {
		return fmt.Errorf("configure agent: it must be allowed at least one parallel build")
	}
	if s.MaxAllocatedBuilds == 0 {
		s.MaxAllocatedBuilds = 2 * s.MaxParallelBuilds
	}
	if s.MaxLoad == 0 {
		s.MaxLoad = float64(runtime.NumCPU())
	}
	next, before := &current{Settings: s}, a.current.Load()
	// What is being fetched comes from where it was asked for.
	if before != nil && same(before.DerivationURLs, s.DerivationURLs) {
		next.derivations = before.derivations
	} else {
		next.derivations = newFetcher(a.Daemon, s.DerivationURLs)
	}
	if before != nil && same(before.InputURLs, s.InputURLs) {
		next.others = before.others
	} else {
		next.others = newFetcher(a.Daemon, s.InputURLs)
	}
	a.current.Store(next)
	a.courier.Configure(s.MaxParallelUploads, s.Compression)
	select {
	case a.reconfigured <- struct{}{}:
	default: // the loop will look anyway
	}
	return nil
}

// same compares lists of servers; none and no list are two things.
func same(a, b []string) bool { return slices.Equal(a, b) && (a == nil) == (b == nil) }

// Retire has the agent take no more builds, and Run return when those that
// run have ended, however long that takes.
func (a *Agent) Retire() { a.retire() }
