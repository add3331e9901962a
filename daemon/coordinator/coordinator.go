package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/scheduler"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"golang.org/x/sync/singleflight"
)

// Config is what a coordinator is made of.
type Config struct {
	Store *datastore.Store
	Logs  *buildlog.Store
	// Fetch returns the text of a derivation, from the local store or from
	// one of the substitute URLs.
	Fetch func(ctx context.Context, urls []string, drv storepath.Path) ([]byte, error)
	// SubstituteURLs are asked for derivations when a submission names none.
	SubstituteURLs []string
	// SetupRetry is how long a build waits after its first setup failure;
	// it doubles with each further one, up to MaxSetupRetry.
	SetupRetry    time.Duration
	MaxSetupRetry time.Duration
	Now           func() time.Time
	Log           *slog.Logger
}

// A Coordinator is a running coordinator. Its methods may be called from
// any goroutine.
type Coordinator struct {
	Config
	requests chan *request // to the writer
	quiet    chan struct{} // closed by Quiesce
	stop     chan struct{} // closed by Close
	stopped  chan struct{} // closed by the writer when it has ended
	fetches  singleflight.Group
	life     context.Context // of fetches; ends with Close
	end      context.CancelFunc

	mu        sync.RWMutex // guards what follows; held for microseconds
	sched     *scheduler.Scheduler
	stale     bool          // sched may contradict the database: rebuild it
	news      chan struct{} // closed, and replaced, when builds may have become ready
	statuses  map[string]daemon.AgentStatus
	questions map[string]int // by agent: how often it asked for builds
}

// Open starts a coordinator on what the database holds. The caller closes it,
// and the store after it.
func Open(ctx context.Context, config Config) (*Coordinator, error) {
	c := &Coordinator{
		Config:    config,
		requests:  make(chan *request),
		quiet:     make(chan struct{}),
		stop:      make(chan struct{}),
		stopped:   make(chan struct{}),
		news:      make(chan struct{}),
		statuses:  make(map[string]daemon.AgentStatus),
		questions: make(map[string]int),
	}
	sched, err := c.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("start coordinator: %w", err)
	}
	c.sched = sched
	c.life, c.end = context.WithCancel(context.Background())
	go c.write()
	return c, nil
}

// Quiesce hands out no more builds and answers the agents that wait for some.
// All else goes on, so that agents can report until Close.
func (c *Coordinator) Quiesce() { close(c.quiet) }

// Close ends the coordinator. Requests that come later are refused.
func (c *Coordinator) Close() {
	c.end()
	close(c.stop)
	<-c.stopped
}

// load builds the scheduler's state from the database.
func (c *Coordinator) load(ctx context.Context) (*scheduler.Scheduler, error) {
	sched := scheduler.New()
	err := c.Store.Queue(ctx, func(b datastore.QueuedBuild) error {
		in, err := schedulerBuild(ctx, c.Store.Queries, b)
		if err != nil {
			return err
		}
		sched.Add(in)
		return nil
	})
	sched.Advance(c.Now())
	return sched, err
}

// schedulerBuild looks up what a build makes and needs.
func schedulerBuild(ctx context.Context, q datastore.Queries, b datastore.QueuedBuild) (scheduler.Build, error) {
	in := scheduler.Build{ID: b.ID, System: b.System, Priority: b.Priority, NotBefore: b.NotBefore, Agent: b.Agent}
	makes, err := q.OutputIDs(ctx, b.Derivation)
	if err != nil {
		return in, err
	}
	in.Makes = makes
	needs, err := q.Needs(ctx, b.Derivation)
	if err != nil {
		return in, err
	}
	for _, n := range needs {
		in.Needs = append(in.Needs, scheduler.Need{Output: n.Output, Built: n.Built, Failed: n.Failed})
	}
	return in, nil
}

// announce wakes those who wait for builds. The caller holds mu.
func (c *Coordinator) announce() {
	close(c.news)
	c.news = make(chan struct{})
}
