package hooks

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// Config is what a runner is made of.
type Config struct {
	Hooks    []Hook
	Parallel int           // how many hooks run at the same time
	Grace    time.Duration // how long hooks may go on when Run is to end
	// Secret reads a file that holds a token. The warning, if there is one,
	// says how to keep others from reading it.
	Secret func(file string) (secret, warning string, err error)
	// Told hears, if it is not nil, how long each attempt took to tell a hook of
	// an event, and whether it failed.
	Told func(event string, took time.Duration, failed bool)
	Log  *slog.Logger
}

// A Hook is one that is told of events: a program or a Guix Data Service.
type Hook struct {
	Name        string // not twice
	Events      []string
	Command     []string    // program and arguments; nil for a data service
	DataService DataService // if there is no program
	Timeout     time.Duration
	Attempts    int // that may fail before an event is parked
}

// An Outbox holds the events that hooks have still to be told. The
// coordinator implements it.
type Outbox interface {
	// HookNews is closed when an event was put into the outbox or taken up
	// again. It is asked for before looking.
	HookNews() <-chan struct{}
	// HookEvents are events with greater numbers than one, in the order of
	// their numbers; parked ones or the others.
	HookEvents(ctx context.Context, after int64, parked bool, limit int) ([]daemon.HookEvent, error)
	// HookDone takes an event out of the outbox.
	HookDone(ctx context.Context, id int64) error
	// HookFailed records a failure.
	HookFailed(ctx context.Context, id int64, text string, again time.Time, park bool) error
}

// A Runner tells hooks of events.
type Runner struct {
	Config
	wanted map[string][]string // event → names of hooks
	hooks  map[string]*hook

	window int // how many events of a hook are in memory at most
	page   int // how many are read at once
}

// hook is a hook as it is used.
type hook struct {
	tell     func(context.Context, daemon.HookEvent) error // ends soon after its context
	timeout  time.Duration
	attempts int
}

// New makes a runner. It does nothing before Run.
func New(config Config) *Runner {
	r := &Runner{Config: config, wanted: make(map[string][]string), hooks: make(map[string]*hook), window: 1000, page: 100}
	r.Parallel = max(1, r.Parallel)
	for _, h := range config.Hooks {
		for _, event := range h.Events {
			r.wanted[event] = append(r.wanted[event], h.Name)
		}
		r.hooks[h.Name] = &hook{tell: teller(h, config), timeout: h.Timeout, attempts: h.Attempts}
	}
	return r
}

func teller(h Hook, config Config) func(context.Context, daemon.HookEvent) error {
	log := config.Log.With("hook", h.Name)
	if len(h.Command) > 0 {
		return (&program{command: h.Command, killAfter: killAfter, log: log}).tell
	}
	return newReporter(h.DataService, config.Secret, log).tell
}

// Wanted are the names of the hooks that are to be told of an event.
func (r *Runner) Wanted(event string) []string { return slices.Clone(r.wanted[event]) }

// unknown is what there is instead of a hook that is not configured any more.
// Its events are parked, so that people see them.
var unknown = &hook{attempts: 1, timeout: time.Minute, tell: func(context.Context, daemon.HookEvent) error {
	return refuse("no hook of this name is configured")
}}
