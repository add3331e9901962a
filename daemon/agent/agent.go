package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agent/courier"
	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Config is what an agent is told.
type Config struct {
	Coordinator string // URL
	UUID        string
	Password    string
	Reread      func() (string, error) // reads the password anew, for the case that it was changed; may be nil
	Roots       *x509.CertPool         // authorities that certify the coordinator; nil for the system's
	Native      string                 // the machine's own system, such as "x86_64-linux"

	// Narinfo asks substitute servers what they say of an item, and tells
	// which it was; nil if nobody can be asked.
	Narinfo func(ctx context.Context, urls []string, path storepath.Path) (*narinfo.Info, string, error)

	Daemon   string // address of the guix-daemon; empty for the usual one
	SpoolDir string // for what the coordinator does not have yet
	Log      *slog.Logger

	Settings Settings // at first; see Configure
}

// An Agent is a build agent.
type Agent struct {
	Config
	api          *agentapi.Client
	spool        *spool.Spool
	courier      *courier.Courier
	current      atomic.Pointer[current] // the settings
	reconfigured chan struct{}           // they have changed

	resumed    map[string]*resumption // by build: results that were in the spool at the start
	unfinished []*spool.Entry         // builds that were; nil once the coordinator has said which are ours
	ahead      ahead
	foreign    foreignSystems
	phases     phases
	full       atomic.Bool // there was too little room on a disk when last looked at
	introduced atomic.Bool // the coordinator knows us
	counters   counters
	since      time.Time    // of New
	beat       atomic.Int64 // when the loop last looked around, in nanoseconds since 1970; zero while there is none
	contact    atomic.Int64 // when the coordinator last answered, in nanoseconds since 1970

	retired context.Context // see Retire
	retire  context.CancelFunc

	run    context.Context // Run's: while it lasts new attempts begin
	work   context.Context // of builds and reports; ends Grace after Run's
	events chan event
	builds sync.WaitGroup
}

// event is what the goroutines of Run's tell it.
type event struct {
	kind   eventKind
	build  string
	answer *agentapi.Fetched // nil if none could be had
}

type eventKind int

const (
	fetched eventKind = iota // builds, nil if none could be had
	built                    // build does not occupy a slot any more
	done                     // build is out of our hands
)

const (
	fetchWait      = 50 * time.Second // how long the coordinator may hold an answer back
	pollPause      = 10 * time.Second // between questions to one that does not
	statusInterval = 30 * time.Second
	loadInterval   = 5 * time.Second // between looks at a load that was too high
)

// New is an agent that is not running yet.
func New(config Config) (*Agent, error) {
	spooled, err := spool.Open(config.SpoolDir)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	api := agentapi.NewClient(config.Coordinator, config.UUID, config.Password)
	api.Trust(config.Roots)
	a := &Agent{
		Config:       config,
		api:          api,
		spool:        spooled,
		reconfigured: make(chan struct{}, 1),
		events:       make(chan event),
		since:        now(),
	}
	a.courier = &courier.Courier{API: a.api, Insist: a.insist}
	a.retired, a.retire = context.WithCancel(context.Background())
	return a, a.Configure(config.Settings)
}

// Run works until ctx ends, and then until the builds that run have ended or
// the grace time is over; what is left is handed back to the coordinator.
// It fails only when the coordinator refuses the agent's credentials at the
// start.
func (a *Agent) Run(ctx context.Context) error {
	a.Log.Info("starting agent " + a.UUID)
	a.Log.Info("connecting to coordinator " + a.Coordinator)
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(nil)
	run, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.retired, stop)()
	a.run, a.work = run, work
	a.lookForRoom()
	if err := a.introduce(run); err != nil {
		return err
	}
	if err := alone(a.SpoolDir); err != nil {
		return err
	}
	if err := a.deliverSpooled(); err != nil {
		return err
	}
	defer a.serveControl()()
	a.lookForDaemon(run)
	s := newState(a)
	go s.reportStatus(run)
	err := s.loop(run)

	a.beat.Store(0)
	a.ahead.dropAll()
	s.handBack()
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(a.current.Load().Grace, func() { stopWork(errStopping) })
	})()
	finished := make(chan struct{})
	go func() {
		a.builds.Wait()
		close(finished)
	}()
	for {
		select {
		case <-a.events: // nobody decides any more
		case <-finished:
			return err
		}
	}
}

// lookForDaemon warns if builds could not be built now. They are fetched all
// the same: a daemon that starts later finds them.
func (a *Agent) lookForDaemon(ctx context.Context) {
	conn, err := guixdaemon.Dial(ctx, a.Daemon)
	if err != nil {
		a.Log.Warn("nothing can be built until there is a guix-daemon; start it, or set daemon_socket", "err", err)
		return
	}
	conn.Close()
}

// errStopping is why builds are canceled when the grace time is over.
var errStopping = errors.New("the agent is stopping")

// introduce makes the first status report, however long that takes. Wrong
// credentials are an error now; later they may be a rotation under way.
func (a *Agent) introduce(ctx context.Context) error {
	err := a.insist(ctx, "report to the coordinator", func(ctx context.Context) error {
		return a.api.ReportStatus(ctx, a.status(0), true)
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the coordinator %s refuses the agent %s: %w", a.Coordinator, a.UUID, err)
	}
	a.introduced.Store(true)
	return nil
}

func (a *Agent) status(running int) daemon.AgentStatus {
	s := daemon.AgentStatus{Status: "idle", Processors: runtime.NumCPU()}
	switch {
	case a.full.Load():
		s.Status = "low on disk space"
	case running > 0:
		s.Status = "running"
	}
	s.Load1Min, _ = loadAverage()
	return s
}

// loadAverage is the machine's 1-minute load average.
func loadAverage() (load float64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(text), &load)
	return load, err
}
