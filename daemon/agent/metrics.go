package agent

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are what has happened since the agent's start.
type counters struct {
	succeeded, failed, setupFailed atomic.Int64
	building                       atomic.Int64 // nanoseconds that the daemon spent on builds that have ended
}

// count counts an attempt with an outcome.
func (c *counters) count(out outcome, building time.Duration) {
	switch {
	case out.setup != nil:
		c.setupFailed.Add(1)
	case out.result.Success:
		c.succeeded.Add(1)
	default:
		c.failed.Add(1)
	}
	c.building.Add(int64(building))
}

// What an agent tells Prometheus; see each one's help.
var (
	resultsMetric  = prometheus.NewDesc("tbfg_agent_build_results_total", "Builds that have ended, by result.", []string{"result"}, nil)
	buildingMetric = prometheus.NewDesc("tbfg_agent_building_seconds_total", "Time for which guix-daemon built what has ended.", nil, nil)
	buildsMetric   = prometheus.NewDesc("tbfg_agent_builds", "Builds that the agent holds, by phase.", []string{"phase"}, nil)
	contactMetric  = prometheus.NewDesc("tbfg_agent_last_contact_timestamp_seconds", "When the coordinator last answered, in seconds since 1970.", nil, nil)
	spoolMetric    = prometheus.NewDesc("tbfg_agent_spool_bytes", "Size of what waits in the spool directory.", nil, nil)
	freeMetric     = prometheus.NewDesc("tbfg_agent_free_bytes", "What is free on the disks of the store and the spool.", []string{"directory"}, nil)
	fullMetric     = prometheus.NewDesc("tbfg_agent_low_on_disk_space", "1 while no builds are asked for because a disk is too full.", nil, nil)
)

// Describe implements prometheus.Collector.
func (a *Agent) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(a, to) }

// Collect implements prometheus.Collector.
func (a *Agent) Collect(to chan<- prometheus.Metric) {
	r := a.Report()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	send(resultsMetric, prometheus.CounterValue, float64(a.counters.succeeded.Load()), "success")
	send(resultsMetric, prometheus.CounterValue, float64(a.counters.failed.Load()), "failure")
	send(resultsMetric, prometheus.CounterValue, float64(a.counters.setupFailed.Load()), "setup-failure")
	send(buildingMetric, prometheus.CounterValue, time.Duration(a.counters.building.Load()).Seconds())
	held := make(map[Phase]int)
	for _, b := range r.Builds {
		held[b.Phase]++
	}
	for _, phase := range []Phase{Waiting, SettingUp, Building, Reporting} {
		send(buildsMetric, prometheus.GaugeValue, float64(held[phase]), string(phase))
	}
	send(contactMetric, prometheus.GaugeValue, float64(a.contact.Load())/1e9)
	send(spoolMetric, prometheus.GaugeValue, float64(r.SpoolBytes))
	for _, d := range r.Disks {
		send(freeMetric, prometheus.GaugeValue, float64(d.Free), d.Directory)
	}
	full := 0.0
	if a.full.Load() {
		full = 1
	}
	send(fullMetric, prometheus.GaugeValue, full)
}
