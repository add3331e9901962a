package history

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tbfg-history-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programDir = dir
	return m.Run()
}

// seed is what a test's randomness begins with: TBFG_SEED, or another one each
// time.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("TBFG_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TBFG_SEED: %v", err)
		}
	}
	t.Logf("TBFG_SEED=%d", seed)
	return seed
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// newGraph makes a graph and serves it until the test ends.
func newGraph(t *testing.T, random *rand.Rand, layers, width int) (g *Graph, url string) {
	t.Helper()
	g, err := NewGraph(random, layers, width)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := g.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return g, server.URL
}

// newWorld makes a farm that is running, and all that it needs.
func newWorld(t *testing.T, seed uint64, layers, width int, change func(*config.Config)) (*World, *Farm) {
	t.Helper()
	graph, url := newGraph(t, rand.New(rand.NewPCG(seed, 1)), layers, width)
	farm := NewFarm(t, t.TempDir(), url, change)
	farm.Start()
	return &World{AgentURL: farm.AgentURL, ClientURL: farm.ClientURL, Wait: farm.Wait, Graph: graph, Seed: seed}, farm
}

// newAgent adds an agent to the farm.
func (w *World) newAgent(t *testing.T, name string, limit int, systems ...string) *Agent {
	t.Helper()
	client := clientapi.NewClient(w.ClientURL)
	id, err := client.NewAgent(t.Context(), name, "")
	if err != nil {
		t.Fatal(err)
	}
	password, err := client.NewPassword(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return &Agent{World: w, ID: id, Client: agentapi.NewClient(w.AgentURL, id, password), Systems: systems, Limit: limit,
		Patience: 300 * time.Millisecond}
}

// view is what the farm says of its builds.
func (w *World) view(t *testing.T) []wire.BuildDetail {
	t.Helper()
	all, err := w.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// settle waits until no build is deferred by the clock.
func (w *World) settle(t *testing.T) {
	t.Helper()
	w.until(t, "no build is deferred", func(b wire.Build) bool { return b.State != daemon.Deferred })
}

// drain waits until agents have left nothing that can be built.
func (w *World) drain(t *testing.T) {
	t.Helper()
	w.until(t, "all builds have ended", func(b wire.Build) bool { return b.State.Finished() || b.State == daemon.Blocked })
}

// until waits until all builds are as they should be. Nothing tells when that
// is, so it looks from time to time; it gives up when nothing has changed for
// long.
func (w *World) until(t *testing.T, what string, good func(wire.Build) bool) {
	t.Helper()
	client := clientapi.NewClient(w.ClientURL)
	const patience = 30 * time.Second
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for before := -1; ; {
		var bad wire.Build
		n := 0
		err := client.Builds(t.Context(), nil, 0, func(b wire.Build) error {
			if !good(b) {
				bad = b
				n++
			}
			return nil
		})
		if err == nil && n == 0 {
			return
		}
		if n != before {
			before = n
			deadline.Reset(patience)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("wait until %s: build %s is %s, held by %q, and %d others; %v", what, bad.UUID, bad.State, bad.Agent, n-1, err)
		}
	}
}

// sameAfterKill kills the farm and checks that it says the same when it is
// back.
func (w *World) sameAfterKill(t *testing.T, f *Farm, before []wire.BuildDetail) {
	t.Helper()
	f.Kill()
	f.Start()
	if diff := cmp.Diff(before, w.view(t)); diff != "" {
		t.Errorf("after a restart the builds differ (-before +after)\n%s", diff)
	}
}

// checkLogs checks that every log that was acknowledged is served.
func (w *World) checkLogs(t *testing.T, f *Farm) (logs int) {
	t.Helper()
	seen := make(map[string]bool)
	for _, e := range w.Events() {
		if e.Kind != Log || !e.Done() || seen[e.Build] {
			continue
		}
		seen[e.Build] = true
		status, text, err := f.LogText(t.Context(), e.Build)
		if want := "the log of " + e.Build + "\n"; err != nil || status != 200 || text != want {
			t.Errorf("the log of build %s, acknowledged at %d: got status %d, %q, %v, want %q", e.Build, e.Answered, status, text, err, want)
		}
	}
	return len(seen)
}

// checkDatabase has SQLite look at a database.
func checkDatabase(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for pragma, want := range map[string][]string{"integrity_check": {"[ok]"}, "foreign_key_check": nil} {
		if diff := cmp.Diff(want, query(t, db, "PRAGMA "+pragma)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", pragma, diff)
		}
	}
}

// query returns rows as text.
func query(t *testing.T, db *sql.DB, text string) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		lines = append(lines, fmt.Sprint(row))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return lines
}

// verdict fails the test for everything that is wrong with the farm.
func (w *World) verdict(t *testing.T, a Account) {
	t.Helper()
	problems := w.Check(a)
	for i, p := range problems {
		if i == 20 {
			t.Errorf("and %d more", len(problems)-i)
			break
		}
		t.Error(p)
	}
}

// tally says what there was of each kind, for people.
func (w *World) tally(builds []wire.BuildDetail) string {
	kinds, states, unknown := map[Kind]int{}, map[daemon.State]int{}, 0
	for _, e := range w.Events() {
		kinds[e.Kind]++
		if e.Unknown() {
			unknown++
		}
	}
	for _, b := range builds {
		states[b.State]++
	}
	return fmt.Sprintf("%v requests, %d without an answer; %d builds: %v", kinds, unknown, len(builds), states)
}
