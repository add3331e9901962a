package collection

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
)

// Config is what a keeper is made of.
type Config struct {
	Coordinator *coordinator.Coordinator
	System      string                   // for collections that name none
	LogFile     func(uuid string) string // name of a build's log, gzip
	Command     Command                  // how guix is run; nil for as it is on this machine
	HTTP        *http.Client             // asks data services; nil for the usual one
	Log         *slog.Logger
}

// A Keeper updates collections and gives their accounts. Its methods may be
// called from any goroutine.
type Keeper struct {
	Config
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup // updates

	mu       sync.Mutex           // guards what follows
	updating map[string]time.Time // since when, by collection
	accounts map[string]*cached
	logEnds  map[string]string // by build
}

// Open makes a keeper. The caller closes it before the coordinator.
func Open(config Config) (*Keeper, error) {
	if config.Command == nil {
		config.Command = Run
	}
	k := &Keeper{Config: config, updating: make(map[string]time.Time), accounts: make(map[string]*cached), logEnds: make(map[string]string)}
	k.life, k.end = context.WithCancel(context.Background())
	return k, nil
}

// Close stops updates; those under way are done again after the next start.
func (k *Keeper) Close() error {
	k.end()
	k.work.Wait()
	return nil
}

// Pauses of Run.
const (
	retryPause = 15 * time.Minute // after an update that failed
	lookPause  = time.Minute      // between looks at the clock
	wakePause  = time.Second      // after something happened
	tellPause  = 5 * time.Second  // so that what comes together is told together, and worked out once
)

// Run updates collections when their time has come, and tells hooks what broke
// and what was fixed, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var tells sync.WaitGroup
	tells.Go(func() { k.tellAll(ctx) })
	defer tells.Wait()
	resume := true // updates that a program before this one did not end
	for {
		_, more := k.Coordinator.Happened()
		list, err := k.Coordinator.Collections(ctx)
		if err != nil && ctx.Err() == nil {
			k.Log.Error("cannot look which collections are due", "err", err)
		}
		pause := lookPause
		for _, c := range list {
			due := dueAt(&c)
			switch now := k.Coordinator.Now(); {
			case c.Updating && resume || !due.IsZero() && !due.After(now):
				if _, err := k.Update(ctx, c.Name, false); err != nil && ctx.Err() == nil {
					k.Log.Warn("cannot update a collection", "collection", c.Name, "err", err)
				}
			case !due.IsZero():
				pause = min(pause, due.Sub(now))
			}
		}
		resume = false
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-more: // perhaps a collection was added
			select {
			case <-ctx.Done():
			case <-time.After(wakePause):
			}
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// dueAt is when a collection is to be updated; zero for never.
func dueAt(c *daemon.CollectionStatus) time.Time {
	s, err := daemon.ParseSchedule(c.Schedule)
	if err != nil || c.Schedule == "" {
		return time.Time{}
	}
	if c.Attempted.IsZero() {
		return time.Unix(0, 0)
	}
	due := s.Next(c.Attempted)
	if again := c.Attempted.Add(retryPause); c.Trouble != "" && again.Before(due) {
		due = again
	}
	return due
}

// tellAll tells hooks, whenever something happened, until ctx ends.
func (k *Keeper) tellAll(ctx context.Context) {
	for {
		_, more := k.Coordinator.Happened()
		if err := k.Tell(ctx); err != nil && ctx.Err() == nil {
			k.Log.Error("cannot tell hooks of packages", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellPause):
		}
	}
}
