package history

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/events"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// newInside makes a world whose coordinator is in this process, where the race
// detector sees it, with a policy that no configuration allows.
func newInside(t *testing.T, seed uint64, layers, width int, policy coordinator.Policy) (*World, *coordinator.Coordinator, *datastore.Store) {
	t.Helper()
	graph, _ := newGraph(t, rand.New(rand.NewPCG(seed, 1)), layers, width)
	dir := t.TempDir()
	store, err := datastore.Open(t.Context(), filepath.Join(dir, "tbfg.db"))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := buildlog.Open(filepath.Join(dir, "build-logs"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	c, err := coordinator.Open(t.Context(), coordinator.Config{Store: store, Logs: logs, Settings: coordinator.Settings{Policy: policy},
		Outputs: outputs.New(filepath.Join(dir, "builds"), 1<<20),
		Now:     time.Now, Log: slog.New(slog.DiscardHandler),
		Fetch: func(_ context.Context, _ []string, drv storepath.Path) ([]byte, error) {
			return graph.Known[drv].Bytes(), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	agents := httptest.NewServer(agentapi.Handler(c, http.NotFoundHandler()))
	clients := httptest.NewServer(clientapi.Handler(c, events.New(c, 0, slog.New(slog.DiscardHandler)), coordinatortest.Operator{}, http.NotFoundHandler()))
	t.Cleanup(func() {
		agents.Close()
		clients.Close()
		c.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &World{AgentURL: agents.URL, ClientURL: clients.URL, Wait: func(ctx context.Context) error { return ctx.Err() },
		Graph: graph, Seed: seed}, c, store
}

// Agents fall silent with builds in their hands and come back to report on
// them when others have them, while the farm submits again what failed and
// what is missing.
func TestAgentsVanish(t *testing.T) {
	seed := seed(t)
	w, c, store := newInside(t, seed, 6, 25, coordinator.Policy{SetupRetry: 10 * time.Millisecond, MaxSetupRetry: 50 * time.Millisecond,
		Lease: 300 * time.Millisecond, MaxLosses: 4, RetryFailures: 1, SubmitMissing: true})
	dice := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
	client := clientapi.NewClient(w.ClientURL)
	tokens := make(chan struct{}, 60)
	for range cap(tokens) {
		tokens <- struct{}{}
	}
	(&Client{w, "client", client}).Run(t.Context(), dice(1), closed(tokens))

	working, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	vanishing := []*Agent{w.newAgent(t, "marina", 3, Systems...), w.newAgent(t, "yishun", 2, Systems...)}
	// These take builds before anybody else can.
	for i, a := range vanishing {
		random := dice(uint64(10 + i))
		builds, err := a.Fetch(t.Context(), nil)
		if err != nil || len(builds) == 0 {
			t.Fatalf("fetch: got %v, %v, want builds", builds, err)
		}
		group.Go(func() {
			for range 2 {
				for _, b := range builds {
					if random.IntN(2) == 0 {
						a.Do(Event{Kind: Start, Who: a.ID, Build: b.UUID}, func(*Event) error { return a.Client.ReportStart(working, b.UUID) })
					}
				}
				a.awaitLoss(working, client, builds)
				for _, b := range builds {
					a.attempt(working, random, b) // as if nothing had been
				}
				builds, _ = a.Fetch(working, nil)
			}
			a.Run(working, random)
		})
	}
	honest := w.newAgent(t, "bedok", 4, Systems...)
	group.Go(func() { honest.Run(working, dice(20)) })
	group.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for working.Err() == nil {
			if err := c.EndLeases(working); err != nil && working.Err() == nil {
				t.Errorf("end leases: %v", err)
			}
			<-tick.C
		}
	})
	w.awaitEach(t, vanishing)
	w.drain(t)
	stop()
	group.Wait()
	final := w.view(t)
	losses := losses(t, store.File())
	if len(losses) == 0 {
		t.Error("no build was taken from an agent")
	}
	w.verdict(t, Account{Builds: final, Losses: losses, Resubmits: true, Drained: true})
	checkDatabase(t, store.File())
	t.Logf("%d builds taken from agents; %s", len(losses), w.tally(final))
}

func closed[T any](c chan T) chan T {
	close(c)
	return c
}

// awaitLoss waits until the farm has taken all builds from a silent agent.
func (a *Agent) awaitLoss(ctx context.Context, client *clientapi.Client, builds []daemon.Allocation) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		held := 0
		for _, b := range builds {
			if detail, err := client.Build(ctx, b.UUID); err != nil || detail.Agent == a.ID && !detail.State.Finished() {
				held++
			}
		}
		if held == 0 {
			return
		}
		<-tick.C
	}
}

// awaitEach waits until each agent has asked for builds again.
func (w *World) awaitEach(t *testing.T, agents []*Agent) {
	t.Helper()
	w.until(t, "all agents are back", func(wire.Build) bool {
		for _, a := range agents {
			n := 0
			for _, e := range w.Events() {
				if e.Kind == Fetch && e.Who == a.ID {
					n++
				}
			}
			if n < 4 {
				return false
			}
		}
		return true
	})
}

// losses counts, by build and agent, what the database says was lost.
func losses(t *testing.T, file string) map[string]map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := make(map[string]map[string]int)
	for _, line := range query(t, db, "SELECT uuid, agent_id, count(*) FROM lost_allocations JOIN builds ON builds.id = build_id GROUP BY 1, 2") {
		var build, agent string
		var n int
		if _, err := fmt.Sscanf(line, "[%s %s %d]", &build, &agent, &n); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if all[build] == nil {
			all[build] = make(map[string]int)
		}
		all[build][agent] = n
	}
	return all
}
