package metrics

import (
	"context"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/prometheus/client_golang/prometheus"
)

// A Farm is what there is to ask for; the coordinator is one.
type Farm interface {
	Agents(ctx context.Context) ([]daemon.Agent, error)
	Queue() map[string]map[daemon.State]int
	OldestReady(ctx context.Context) (map[string]time.Time, error)
	Outbox(ctx context.Context) (waiting, parked map[string]int, err error)
	Trouble() error
	// Lease is after how long without a report an agent counts as silent;
	// zero for never.
	Lease() time.Duration
}

// Surroundings are what the farm lies in.
type Surroundings struct {
	DatabaseSizes func() (file, wal int64)      // in bytes
	DiskFree      func() (bytes int64, _ error) // of the state directory's disk
	Listeners     func() int                    // to the stream of events; nil for none
	Now           func() time.Time
}

// Watch adds what there is to what happens.
func (m *Metrics) Watch(farm Farm, around Surroundings) {
	m.registry.MustRegister(&collector{farm, around, &m.systems})
}

// patience is how long the questions of one look may take together.
const patience = 8 * time.Second

type collector struct {
	farm    Farm
	around  Surroundings
	systems *names
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	queueBuilds = describe("tbfg_queue_builds",
		"Unfinished builds; those that an agent has begun count as allocated.", "system", "state")
	oldestReady = describe("tbfg_oldest_ready_build_age_seconds",
		"How long ago the oldest build was submitted that waits for an agent and nothing else; 0 if there is none.", "system")
	agentStates   = describe("tbfg_agents", "Agents, by what they do.", "state")
	heldBuilds    = describe("tbfg_held_builds", "Builds that agents hold.")
	handsOut      = describe("tbfg_hands_out_builds", "Whether builds are handed out; 0 when the disk is nearly full.")
	hookOutbox    = describe(wire.Metrics["hook-outbox"], "Events that hooks have still to be told, of the oldest ten thousand.", "event")
	hooksParked   = describe("tbfg_hook_events_parked", "Those of them that were given up until somebody says otherwise.", "event")
	listeners     = describe("tbfg_event_listeners", "Who follows the stream of events.")
	databaseBytes = describe("tbfg_database_bytes", "Size of the database.", "part")
	diskFree      = describe("tbfg_disk_free_bytes", "What is free on the disk of the state directory.")
)

// agentStatuses are the values of a label.
var agentStatuses = []string{"idle", "running", "paused", "draining", "inactive", "silent"}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueBuilds, oldestReady, agentStates, heldBuilds, handsOut, hookOutbox, hooksParked,
		listeners, databaseBytes, diskFree} {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	fail := func(d *prometheus.Desc, err error) { to <- prometheus.NewInvalidMetric(d, err) }

	if err := c.queue(ctx, gauge); err != nil {
		fail(oldestReady, err)
	}
	if err := c.agents(ctx, gauge); err != nil {
		fail(agentStates, err)
	}
	if err := c.outbox(ctx, gauge); err != nil {
		fail(hookOutbox, err)
	}
	gauge(handsOut, 1-truth(c.farm.Trouble() != nil))
	if c.around.Listeners != nil {
		gauge(listeners, float64(c.around.Listeners()))
	}
	file, wal := c.around.DatabaseSizes()
	gauge(databaseBytes, float64(file), "file")
	gauge(databaseBytes, float64(wal), "wal")
	if free, err := c.around.DiskFree(); err != nil {
		fail(diskFree, err)
	} else {
		gauge(diskFree, float64(free))
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

type gaugeFunc func(d *prometheus.Desc, v float64, labels ...string)

func (c *collector) queue(ctx context.Context, gauge gaugeFunc) error {
	oldest, err := c.farm.OldestReady(ctx)
	bySystem := make(map[string]map[daemon.State]int)
	ages := make(map[string]float64)
	for system, counts := range c.farm.Queue() {
		name := c.systems.of(system)
		if bySystem[name] == nil {
			bySystem[name] = make(map[daemon.State]int)
			ages[name] = 0
		}
		for state, n := range counts {
			bySystem[name][state] += n
		}
		if since, ready := oldest[system]; ready {
			ages[name] = max(ages[name], c.around.Now().Sub(since).Seconds())
		}
	}
	for system, counts := range bySystem {
		for _, state := range daemon.States {
			if !state.Finished() && state != daemon.Started {
				gauge(queueBuilds, float64(counts[state]), system, string(state))
			}
		}
		if err == nil {
			gauge(oldestReady, ages[system], system)
		}
	}
	return err
}

func (c *collector) agents(ctx context.Context, gauge gaugeFunc) error {
	agents, err := c.farm.Agents(ctx)
	if err != nil {
		return err
	}
	states, held := make(map[string]int), 0
	for i := range agents {
		states[c.status(&agents[i])]++
		held += len(agents[i].Allocated)
	}
	for _, state := range agentStatuses {
		gauge(agentStates, float64(states[state]), state)
	}
	gauge(heldBuilds, float64(held))
	return nil
}

// status is one of agentStatuses.
func (c *collector) status(a *daemon.Agent) string {
	lease := c.farm.Lease()
	switch {
	case !a.Active:
		return "inactive"
	case a.Status == nil, lease > 0 && c.around.Now().Sub(a.Status.Time) > lease:
		return "silent"
	case a.Mode == daemon.Paused:
		return "paused"
	case a.Mode == daemon.Draining:
		return "draining"
	case a.Status.Status == "running" || len(a.Allocated) > 0:
		return "running"
	}
	return "idle"
}

func (c *collector) outbox(ctx context.Context, gauge gaugeFunc) error {
	waiting, parked, err := c.farm.Outbox(ctx)
	if err != nil {
		return err
	}
	for _, name := range event.Names {
		gauge(hookOutbox, float64(waiting[name]+parked[name]), name)
		gauge(hooksParked, float64(parked[name]), name)
	}
	return nil
}
