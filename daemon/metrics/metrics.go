package metrics

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// How many values a label may have; all further ones are "other".
const (
	maxAgents  = 2000
	maxSystems = 50
	other      = "other"
)

// Metrics counts what happens in the farm. It is what the coordinator and the
// hooks tell of it.
type Metrics struct {
	registry *prometheus.Registry
	agents   names
	systems  names

	builds        *prometheus.CounterVec
	results       *prometheus.CounterVec
	setupFailures *prometheus.CounterVec
	submissions   prometheus.Histogram
	allocations   *prometheus.CounterVec
	commits       prometheus.Histogram
	changes       prometheus.Counter
	commitFaults  prometheus.Counter
	logBytes      prometheus.Counter
	hookDurations *prometheus.HistogramVec
	hookFailures  *prometheus.CounterVec
}

// Buckets of what is over in milliseconds, and of programs that run for
// minutes, in seconds.
var (
	quick = prometheus.ExponentialBuckets(0.0005, 2, 15) // to 8 s
	slow  = prometheus.ExponentialBuckets(0.01, 3, 11)   // to 10 min
)

// New is metrics of a farm in which nothing has happened.
func New() *Metrics {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		agents:        names{max: maxAgents},
		systems:       names{max: maxSystems},
		builds:        counters(wire.Metrics["builds"], "Builds submitted.", "system"),
		results:       counters(wire.Metrics["results"], "Builds that ended.", "agent_id", "system", "result"),
		setupFailures: counters(wire.Metrics["setup-failures"], "Builds that an agent could not begin.", "agent_id", "reason"),
		submissions: prometheus.NewHistogram(histogram(wire.Metrics["submit-durations"],
			"How long it took to submit a build, with fetching what was not known of its inputs.", slow)),
		allocations: counters("tbfg_allocations_total", "Builds given to agents.", "agent_id"),
		commits: prometheus.NewHistogram(histogram("tbfg_commit_duration_seconds",
			"How long a transaction took, until it was on the disk.", quick)),
		changes:      counter("tbfg_changes_total", "Changes of the farm's state, several of which share a transaction."),
		commitFaults: counter("tbfg_commit_failures_total", "Transactions that failed: nothing in them was acknowledged."),
		logBytes:     counter("tbfg_log_bytes_total", "Bytes of logs as agents sent them."),
		hookDurations: prometheus.NewHistogramVec(histogram(wire.Metrics["hook-duration"],
			"How long it took to tell a hook of an event.", slow), []string{"event"}),
		hookFailures: counters(wire.Metrics["hook-failures"], "Attempts at telling a hook of an event that failed.", "event"),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.builds, m.results, m.setupFailures, m.submissions, m.allocations, m.commits, m.changes, m.commitFaults, m.logBytes,
		m.hookDurations, m.hookFailures)
	for _, name := range event.Names { // so that a rate begins with the first failure
		m.hookFailures.WithLabelValues(name)
	}
	return m
}

// Register adds what another part of the program tells of itself.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Unregister takes away what Register added.
func (m *Metrics) Unregister(c prometheus.Collector) { m.registry.Unregister(c) }

// Handler serves the metrics to Prometheus. Everyone who can connect to the
// agents' port can ask for them, so not many do so at the same time.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // what can be had is better than nothing
		ErrorLog:            slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// names are the values that a label has had.
type names struct {
	mu   sync.Mutex // guards seen
	seen map[string]bool
	max  int
}

// of is the value for a name: itself, or "other" if there are too many.
func (n *names) of(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[name] {
		return name
	}
	if len(n.seen) >= n.max {
		return other
	}
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	return name
}

// reasons are the reasons of setup failures that have their own name. What
// agents say besides is not bounded.
var reasons = map[string]bool{daemon.MissingInputs: true, daemon.CouldNotDelete: true, daemon.CouldNotFetch: true,
	daemon.UnsupportedPlatform: true}

// What follows implements the coordinator's Observer.

// Submitted counts a build.
func (m *Metrics) Submitted(system string) { m.builds.WithLabelValues(m.systems.of(system)).Inc() }

// SubmissionTook counts a request for builds.
func (m *Metrics) SubmissionTook(took time.Duration) { m.submissions.Observe(took.Seconds()) }

// Allocated counts builds that an agent was given.
func (m *Metrics) Allocated(agent string, builds int) {
	m.allocations.WithLabelValues(m.agents.of(agent)).Add(float64(builds))
}

// Ended counts a result.
func (m *Metrics) Ended(agent, system string, success bool) {
	result := "failure"
	if success {
		result = "success"
	}
	m.results.WithLabelValues(m.agents.of(agent), m.systems.of(system), result).Inc()
}

// SetupFailed counts a build that an agent could not begin.
func (m *Metrics) SetupFailed(agent, reason string) {
	if !reasons[reason] {
		reason = other
	}
	m.setupFailures.WithLabelValues(m.agents.of(agent), reason).Inc()
}

// Committed counts a transaction.
func (m *Metrics) Committed(took time.Duration, changes int, failed bool) {
	m.commits.Observe(took.Seconds())
	if failed {
		m.commitFaults.Inc()
		return
	}
	m.changes.Add(float64(changes))
}

// LogReceived counts bytes of logs.
func (m *Metrics) LogReceived(bytes int64) { m.logBytes.Add(float64(bytes)) }

// HookTold counts an attempt at telling a hook of an event.
func (m *Metrics) HookTold(event string, took time.Duration, failed bool) {
	m.hookDurations.WithLabelValues(event).Observe(took.Seconds())
	if failed {
		m.hookFailures.WithLabelValues(event).Inc()
	}
}
