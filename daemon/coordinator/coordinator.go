package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/scheduler"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Config is what a coordinator is made of.
type Config struct {
	Store *datastore.Store
	Logs  *buildlog.Store
	// Outputs is where agents' outputs go, if they are wanted.
	Outputs *outputs.Store
	// Read appends the text of a derivation in the store of this machine to buf.
	// If it is not there the error is [fs.ErrNotExist]. Without a store it is
	// nil.
	Read func(drv storepath.Path, buf []byte) ([]byte, error)
	// Fetch returns the text of a derivation that is not there, from one of the
	// substitute URLs. What it cannot have now but perhaps later is an error of
	// the code [daemon.Unavailable].
	Fetch func(ctx context.Context, urls []string, drv storepath.Path) ([]byte, error)
	Settings
	Observe Observer // nil for nobody
	Now     func() time.Time
	Log     *slog.Logger
}

// A Coordinator is a running coordinator. Its methods may be called from
// any goroutine.
type Coordinator struct {
	Store   *datastore.Store
	Logs    *buildlog.Store
	Outputs *outputs.Store
	Now     func() time.Time
	Log     *slog.Logger
	Read    func(drv storepath.Path, buf []byte) ([]byte, error)                         // see Config
	Fetch   func(ctx context.Context, urls []string, drv storepath.Path) ([]byte, error) // the same

	Observe  Observer
	current  atomic.Pointer[Settings]
	requests chan *request   // to the writer
	quiet    chan struct{}   // closed by Quiesce
	stop     chan struct{}   // closed by Close
	stopped  chan struct{}   // closed by the writer when it has ended
	chores   sync.WaitGroup  // what is done from time to time
	graphs   graphs          // derivations between their fetch and their commit
	life     context.Context // of fetches; ends with Close
	end      context.CancelFunc

	mu        sync.RWMutex // guards what follows; held for microseconds
	sched     *scheduler.Scheduler
	ended     datastore.Outcomes
	stale     bool                 // sched and ended may contradict the database: rebuild them
	news      chan struct{}        // closed, and replaced, when builds may have become ready
	seen      map[string]time.Time // when each agent last asked or reported
	asking    map[string]int       // requests for builds that each has open
	began     time.Time            // what counts for those not seen
	circled   time.Time            // since when builds wait for one another; zero if none do
	full      error                // why no work is handed out; nil for no reason
	declared  map[string][]string  // systems, by agent, that the configuration allows
	questions map[string]question  // by agent: the last that it asked
	hookNews  chan struct{}        // closed, and replaced, when the outbox has something new
	happened  uint64               // see Happened
	happening chan struct{}        // closed, and replaced, when that goes up
	eventNews chan struct{}        // the same for the stream of events
}

// Open starts a coordinator on what the database holds. The caller closes it,
// and the store after it.
func Open(ctx context.Context, config Config) (*Coordinator, error) {
	c := &Coordinator{
		Store: config.Store, Logs: config.Logs, Outputs: config.Outputs, Now: config.Now, Log: config.Log,
		Read: config.Read, Fetch: config.Fetch, Observe: config.Observe,
		requests:  make(chan *request),
		quiet:     make(chan struct{}),
		stop:      make(chan struct{}),
		stopped:   make(chan struct{}),
		news:      make(chan struct{}),
		seen:      make(map[string]time.Time),
		asking:    make(map[string]int),
		questions: make(map[string]question),
		began:     config.Now(),
		hookNews:  make(chan struct{}),
		happening: make(chan struct{}),
		eventNews: make(chan struct{}),
	}
	if c.Observe == nil {
		c.Observe = nobody{}
	}
	c.graphs.many = make(chan struct{}, 1)
	c.Configure(config.Settings)
	var err error
	if c.sched, c.ended, err = c.load(ctx); err != nil {
		return nil, fmt.Errorf("start coordinator: %w", err)
	}
	c.life, c.end = context.WithCancel(context.Background())
	go c.write()
	c.chores.Go(c.doChores)
	return c, nil
}

// Quiesce hands out no more builds and answers the agents that wait for some.
// All else goes on, so that agents can report until Close.
func (c *Coordinator) Quiesce() { close(c.quiet) }

// Close ends the coordinator. Requests that come later are refused.
func (c *Coordinator) Close() {
	c.end()
	c.chores.Wait()
	close(c.stop)
	<-c.stopped
}

// load builds from the database the scheduler's state, and what it does not
// know of: builds that ended.
func (c *Coordinator) load(ctx context.Context) (*scheduler.Scheduler, datastore.Outcomes, error) {
	sched := scheduler.New()
	// The driver would start a goroutine for each row that could be canceled.
	err := c.Store.Queue(context.WithoutCancel(ctx), func(b *datastore.QueuedBuild) error {
		sched.Add(schedulerBuild(b))
		return nil
	})
	sched.Advance(c.Now())
	sched.Priority(0) // settles all priorities now instead of at the first question
	if err != nil {
		return nil, datastore.Outcomes{}, err
	}
	ended, err := c.Store.Outcomes(ctx)
	return sched, ended, err
}

// schedulerBuild is a build in the scheduler's words. The scheduler keeps none
// of its slices.
func schedulerBuild(b *datastore.QueuedBuild) scheduler.Build {
	in := scheduler.Build{ID: b.ID, System: b.System, Priority: b.Priority, NotBefore: b.NotBefore, Agent: b.Agent,
		Tags: b.Tags, Makes: b.Makes, Needs: make([]scheduler.Need, len(b.Needs))}
	for i, n := range b.Needs {
		in.Needs[i] = scheduler.Need{Output: n.Output, Built: n.Built, Failed: n.Failed, Lost: n.Lost}
	}
	return in
}

// announce wakes those who wait for builds. The caller holds mu.
func (c *Coordinator) announce() {
	close(c.news)
	c.news = make(chan struct{})
}
