//go:debug default=go1.25

package metrics_test

import (
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/metrics"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden")

// around is what a farm lies in that never changes.
func around(f *coordinatortest.Farm) metrics.Surroundings {
	return metrics.Surroundings{
		DatabaseSizes: func() (int64, int64) { return 4096, 512 },
		DiskFree:      func() (int64, error) { return 1 << 30, nil },
		Listeners:     func() int { return 7 },
		Now:           f.Clock.Now,
	}
}

// scrape is what Prometheus gets, without what is Go's and the process's.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("got the status %d: %s", w.Code, w.Body)
	}
	var ours strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "promhttp_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// lived is a farm to which everything happened that is counted. Its clock
// stands still, so that all took no time.
func lived(t *testing.T) (*coordinatortest.Farm, *metrics.Metrics) {
	t.Helper()
	m := metrics.New()
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) {
		c.Observe = m
		c.Hooks = func(event string) []string { return []string{"mail"} }
	})
	ids := map[string]string{"bedok": coordinatortest.UUID(1), "quiet": coordinatortest.UUID(2)}
	for _, name := range []string{"bedok", "quiet"} {
		_, err := f.NewAgent(t.Context(), ids[name], name, "")
		f.Must(err)
	}
	bedok := ids["bedok"]
	f.Must(f.ReportStatus(t.Context(), bedok, daemon.AgentStatus{Status: "running"}))
	old := f.Clock.Now()
	leaf := f.Derivation("leaf")
	first, second := f.Added(leaf), f.Added(f.Derivation("other"))
	f.Added(f.Derivation("top", leaf))
	f.Given(bedok, 2)
	f.Must(f.SaveLog(t.Context(), bedok, first, "none", strings.NewReader("a log\n")))
	f.Ended(bedok, first, false)
	f.Ended(bedok, second, true)
	third := f.Added(f.Derivation("third"))
	f.Given(bedok, 1)
	f.Must(f.ReportSetupFailure(t.Context(), bedok, third, daemon.SetupFailure{Reason: daemon.MissingInputs,
		MissingInputs: []storepath.Path{leaf}}))
	f.Added(f.Derivation("fourth"))
	f.Given(bedok, 1)
	f.Added(f.Derivation("fifth"))
	f.Clock.Advance(time.Minute)
	f.Must(f.ReportStatus(t.Context(), bedok, daemon.AgentStatus{Status: "running"}))
	f.Exec("UPDATE unprocessed_hook_events SET parked = 1 WHERE event = 'build-failure'")
	m.HookTold("build-success", 2*time.Second, false)
	m.HookTold("build-failure", 20*time.Millisecond, true)
	if f.Clock.Now().Sub(old) != time.Minute {
		t.Fatal("the clock went")
	}
	m.Watch(f.Coordinator, around(f))
	return f, m
}

func TestWhatPrometheusGets(t *testing.T) {
	_, m := lived(t)
	got := scrape(t, m)
	const golden = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics (-want +got)\n%s", diff)
	}
}

func TestAFaultHidesOneMetricOnly(t *testing.T) {
	f, m := coordinatortest.Open(t), metrics.New()
	broken := around(f)
	broken.DiskFree = func() (int64, error) { return 0, errors.New("disk on fire") }
	m.Watch(f.Coordinator, broken)
	got := scrape(t, m)
	if strings.Contains(got, "tbfg_disk_free_bytes") || !strings.Contains(got, "tbfg_agents{") {
		t.Errorf("got\n%s, want all but the free space", got)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := metrics.New()
	for n := range 10_000 {
		m.Ended(fmt.Sprint("agent-", n), fmt.Sprint("system-", n), true)
		m.Submitted(fmt.Sprint("system-", n))
		m.SetupFailed("agent", fmt.Sprint("reason ", n))
	}
	got := scrape(t, m)
	if lines := strings.Count(got, "\n"); lines > 3000 {
		t.Errorf("got %d lines", lines)
	}
	for _, want := range []string{
		`guixbuildcoordinator_build_results_total{agent_id="other",result="success",system="other"} 8001`,
		`guixbuildcoordinator_builds_total{system="other"} 9950`,
		`guixbuildcoordinator_setup_failures_total{agent_id="agent",reason="other"} 10000`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
}

func TestAgentsByWhatTheyDo(t *testing.T) {
	f, m := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.Lease = 10 * time.Minute }), metrics.New()
	m.Watch(f.Coordinator, around(f))
	no, paused, draining := false, daemon.Paused, daemon.Draining
	for n, test := range []struct {
		state  string
		status string
		ago    time.Duration
		change daemon.AgentChange
	}{
		{"silent", "", 0, daemon.AgentChange{}},
		{"silent", "idle", 11 * time.Minute, daemon.AgentChange{}},
		{"silent", "idle", 11 * time.Minute, daemon.AgentChange{Mode: &paused}},
		{"idle", "idle", 9 * time.Minute, daemon.AgentChange{}},
		{"running", "running", 0, daemon.AgentChange{}},
		{"idle", "something new", 0, daemon.AgentChange{}},
		{"paused", "running", 0, daemon.AgentChange{Mode: &paused}},
		{"draining", "idle", 0, daemon.AgentChange{Mode: &draining}},
		{"inactive", "running", 0, daemon.AgentChange{Active: &no}},
	} {
		before := count(t, scrape(t, m), test.state)
		id, _ := f.Joined(fmt.Sprint(n))
		f.Must(f.ChangeAgent(t.Context(), id, test.change))
		if test.status != "" {
			f.Clock.Advance(-test.ago)
			f.Must(f.ReportStatus(t.Context(), id, daemon.AgentStatus{Status: test.status}))
			f.Clock.Advance(test.ago)
		}
		if got := count(t, scrape(t, m), test.state); got != before+1 {
			t.Errorf("agent %d: got %d that are %s, want %d", n, got, test.state, before+1)
		}
	}
}

func count(t *testing.T, text, state string) (n int) {
	t.Helper()
	_, after, found := strings.Cut(text, `tbfg_agents{state="`+state+`"} `)
	if _, err := fmt.Sscan(after, &n); err != nil || !found {
		t.Fatalf("no agents that are %s: %v", state, err)
	}
	return n
}

// While Prometheus looks the farm goes on.
func TestLooksAndChangesAtTheSameTime(t *testing.T) {
	f, m := lived(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 50 {
			f.Added(f.Derivation(fmt.Sprint("more-", n)))
		}
	}()
	for range 20 {
		scrape(t, m)
	}
	<-done
	if got := scrape(t, m); !strings.Contains(got, "guixbuildcoordinator_builds_total{system=\"x86_64-linux\"} 56\n") {
		t.Errorf("got\n%s, want 56 builds", got)
	}
}
