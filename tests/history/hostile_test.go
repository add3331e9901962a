package history

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

// nobody is a UUID that nothing has.
const nobody = "00000000-0000-4000-8000-000000000000"

// target is a farm under attack.
type target struct {
	t        *testing.T
	farm     *Farm
	agent    string // UUID of the attacking agent, which holds nothing
	password string
	other    string // UUID of an honest agent, which holds build
	build    string
	http     *http.Client
	statuses map[int]int
}

// An attack is one request.
type attack struct {
	method, url string
	body        io.Reader
	auth        func(*http.Request) // nil for none
}

func (g *target) asAttacker(r *http.Request) { r.SetBasicAuth(g.agent, g.password) }

// fire sends an attack, which must be refused with one of the statuses, in
// JSON.
func (g *target) fire(name string, a attack, want ...int) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), a.method, a.url, a.body)
	if err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	if a.auth != nil {
		a.auth(req)
	}
	resp, err := g.http.Do(req)
	if err != nil {
		g.t.Errorf("%s %s, %s: got no answer: %v", a.method, a.url, name, err)
		return
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	g.statuses[resp.StatusCode]++
	var body wire.ErrorBody
	mute := a.method == http.MethodHead // says nothing but the status
	if err != nil || !slices.Contains(want, resp.StatusCode) || !mute && (json.Unmarshal(data, &body) != nil || body.Error == "") {
		g.t.Errorf("%s %s, %s: got status %d, body %.200q, want one of %v in JSON", a.method, a.url, name, resp.StatusCode, data, want)
	}
}

func TestHostileInput(t *testing.T) {
	seed := seed(t)
	w, farm := newWorld(t, seed, 3, 5, nil)
	random := rand.New(rand.NewPCG(seed, 4))
	honest := w.newAgent(t, "bedok", 1, Systems...)
	honest.Patience = 0
	client := clientapi.NewClient(w.ClientURL)
	c := &Client{w, "client", client}
	tokens := make(chan struct{}, 20)
	for range 20 {
		tokens <- struct{}{}
	}
	close(tokens)
	c.Run(t.Context(), random, tokens)
	builds, err := honest.Fetch(t.Context(), nil)
	if err != nil || len(builds) != 1 {
		t.Fatalf("fetch: got %v, %v, want a build", builds, err)
	}
	id, err := client.NewAgent(t.Context(), "attacker", "")
	if err != nil {
		t.Fatal(err)
	}
	password, err := client.NewPassword(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	g := &target{t: t, farm: farm, agent: id, password: password, other: honest.ID, build: builds[0].UUID,
		http: wire.NewCaller("", nil).HTTP, statuses: make(map[int]int)}
	g.http.Timeout = time.Minute
	before, memory := dump(t, farm), g.memory()
	began := time.Now()

	g.credentials()
	g.foreign()
	g.paths()
	g.methods()
	g.bodies()
	g.values()
	g.crowd()
	slow := g.slow()

	if diff := cmp.Diff(before, dump(t, farm)); diff != "" {
		t.Errorf("the database has changed (-before +after)\n%s", diff)
	}
	after := g.memory()
	if after > memory+200<<10 {
		t.Errorf("the farm has grown from %d to %d MB", memory>>10, after>>10)
	}
	requests := 0
	for _, n := range g.statuses {
		requests += n
	}
	if _, err := client.Agents(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests in %.1f s, statuses %v, %d connections that said little; memory %d MB before, %d MB at most",
		requests, time.Since(began).Seconds(), g.statuses, slow, memory>>10, after>>10)
}

// memory is the most that the farm has had in memory, in KiB.
func (g *target) memory() int {
	g.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.farm.Pid()))
	if err != nil {
		g.t.Fatal(err)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		g.t.Fatalf("there is no VmHWM in\n%s", status)
	}
	n, err := strconv.Atoi(string(peak[1]))
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// dump is all that is in the farm's database.
func dump(t *testing.T, f *Farm) (lines []string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(f.Dir, "tbfg.db")+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range query(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
		lines = append(lines, table)
		lines = append(lines, query(t, db, "SELECT * FROM "+strings.Trim(table, "[]"))...)
	}
	return lines
}
