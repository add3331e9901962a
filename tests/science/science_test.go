//go:debug default=go1.25
package science

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/dataservice/dataservicetest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/substitutes"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/machine"

	"github.com/google/go-cmp/cmp"
)

const system = "x86_64-linux"

// A farm is a coordinator with a keeper of collections.
type farm struct {
	*coordinator.Coordinator
	keeper *collection.Keeper
	agent  string
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newFarm is a farm whose derivations come from a function and whose guix is
// a machine's.
func newFarm(t *testing.T, m *machine.Machine, fetch func(context.Context, []string, storepath.Path) ([]byte, error)) *farm {
	t.Helper()
	ctx := t.Context()
	store, err := datastore.Open(ctx, filepath.Join(t.TempDir(), "tbfg.db"))
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	logs, err := buildlog.Open(t.TempDir(), 1<<20)
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	c, err := coordinator.Open(ctx, coordinator.Config{Store: store, Logs: logs, Outputs: outputs.New(filepath.Join(t.TempDir(), "builds"), 1<<20), Fetch: fetch, Now: time.Now, Log: log,
		Settings: coordinator.Settings{Policy: coordinator.Policy{Lease: time.Hour, SetupRetry: time.Minute, MaxSetupRetry: time.Hour}}})
	must(t, err)
	t.Cleanup(c.Close)
	k, err := collection.Open(collection.Config{Coordinator: c, System: system, LogFile: logs.File, Log: log,
		Command: func(ctx context.Context, name string, args ...string) *exec.Cmd {
			// The script lies on the host.
			for _, arg := range args {
				if strings.HasSuffix(arg, "/evaluate.scm") {
					must(t, os.MkdirAll(m.Path(filepath.Dir(arg)), 0o755))
					must(t, m.Install(arg, arg))
				}
			}
			return m.Command(ctx, name, args...)
		}})
	must(t, err)
	t.Cleanup(func() { must(t, k.Close()) })
	f := &farm{Coordinator: c, keeper: k}
	f.agent, err = c.NewAgent(ctx, "", "simulated", "")
	must(t, err)
	return f
}

// build has the agent report a result of every build that it can get.
func (f *farm) build(t *testing.T, bad func(storepath.Path) bool) (failures int) {
	t.Helper()
	for {
		builds, err := f.FetchBuilds(t.Context(), f.agent, coordinator.Fetch{Systems: []string{system, "i686-linux"}, Target: 1000})
		must(t, err)
		if len(builds) == 0 {
			return failures
		}
		for _, b := range builds {
			fails := bad(b.Derivation)
			if fails {
				failures++
			}
			must(t, f.ReportResult(t.Context(), f.agent, b.UUID, daemon.Result{Success: !fails, Ended: time.Now(), Reason: "simulated"}))
		}
	}
}

func (f *farm) account(t *testing.T, name string) *account.Account {
	t.Helper()
	a, err := f.keeper.Account(t.Context(), name, account.Options{})
	must(t, err)
	return a
}

// A plan computes what must become of derivations from their files alone.
type plan struct {
	m     *machine.Machine
	bad   map[storepath.Path]bool
	drvs  map[storepath.Path]*derivation.Derivation
	first map[storepath.Path][]storepath.Path
}

// firstFailures are the bad derivations below one that have none below
// themselves.
func (p *plan) firstFailures(t *testing.T, path storepath.Path) []storepath.Path {
	t.Helper()
	if known, ok := p.first[path]; ok {
		return known
	}
	text, err := os.ReadFile(p.m.Path(string(path)))
	must(t, err)
	drv, err := derivation.Parse(text)
	must(t, err)
	p.drvs[path] = drv
	var first []storepath.Path
	for _, in := range drv.Inputs {
		below := p.firstFailures(t, in.Path)
		if len(below) == 0 && p.bad[in.Path] {
			below = []storepath.Path{in.Path}
		}
		first = append(first, below...)
	}
	slices.Sort(first)
	p.first[path] = slices.Compact(first)
	return p.first[path]
}

func TestScience(t *testing.T) {
	m := machine.New(t)
	_, err := m.Daemon(t.Context())
	must(t, err)
	f := newFarm(t, m, func(_ context.Context, _ []string, p storepath.Path) ([]byte, error) {
		return os.ReadFile(m.Path(string(p)))
	})
	must(t, f.PutCollection(t.Context(), daemon.Collection{Name: "science", Source: daemon.FromGuix, WithInputs: true,
		Modules: []string{"gnu/packages/algebra.scm", "(gnu packages maths)"}}))
	o, err := f.keeper.Update(t.Context(), "science", false)
	must(t, err)
	if o.Packages < 250 || o.Errors != 0 || o.Submitted+o.Inputs < 4000 || !strings.HasPrefix(o.Revision, "1.") {
		t.Fatalf("got %+v, want some 300 packages and 5,500 builds", o)
	}

	a := f.account(t, "science")
	p := &plan{m: m, bad: make(map[storepath.Path]bool), drvs: make(map[storepath.Path]*derivation.Derivation), first: make(map[storepath.Path][]storepath.Path)}
	for _, row := range a.Packages {
		switch row.Package {
		case "openblas", "giac", "glpk", "petsc": // one blocks many, one few, and one is blocked itself
			p.bad[row.Derivation] = true
		}
	}
	if len(p.bad) != 4 {
		t.Fatalf("got the bad derivations %v, want four", p.bad)
	}
	failures := f.build(t, func(drv storepath.Path) bool { return p.bad[drv] })

	a = f.account(t, "science")
	want := make(account.Counts)
	blocks := make(map[string]int)
	for _, row := range a.Packages {
		first := p.firstFailures(t, row.Derivation)
		state := account.Builds
		switch {
		case len(first) > 0:
			state = account.Blocked
		case p.bad[row.Derivation]:
			state = account.Fails
		}
		want[state]++
		var by []string
		for _, i := range row.BlockedBy {
			by = append(by, string(a.Failures[i].Derivation))
		}
		slices.Sort(by)
		var wantBy []string
		for _, d := range first {
			wantBy = append(wantBy, string(d))
			blocks[account.Name(d)]++
		}
		if row.State != state || !slices.Equal(by, wantBy) {
			t.Errorf("%s: got %s by %v, want %s by %v", row.Package, row.State, by, state, wantBy)
		}
	}
	if diff := cmp.Diff(want, a.Counts); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
	if len(a.Failures) != failures || want[account.Blocked] < 20 {
		t.Errorf("got %d failures, of which %d block, want %d and many that are blocked: %v", len(a.Failures), want[account.Blocked], failures, blocks)
	}
	for i, failure := range a.Failures {
		if failure.Blocks != blocks[failure.Name] || i > 0 && failure.Blocks > a.Failures[i-1].Blocks {
			t.Errorf("got that %s, as number %d, blocks %d, want %d", failure.Name, i+1, failure.Blocks, blocks[failure.Name])
		}
	}
	if !strings.HasPrefix(a.Failures[0].Name, "openblas-") {
		t.Errorf("got %s first, want openblas", a.Failures[0].Name)
	}
	t.Run("data service", func(t *testing.T) { service(t, m, a, p) })
}

// service serves the derivations of an account as a data service does.
func service(t *testing.T, m *machine.Machine, a *account.Account, p *plan) {
	publisher, err := m.Publish(t.Context())
	must(t, err)
	s := dataservicetest.New()
	s.MaxPage(50)
	s.Substitutes(publisher.URL)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	var packages []dataservicetest.Package
	for _, row := range a.Packages {
		full := account.Name(row.Derivation)
		name, _, _ := strings.Cut(row.Package, "@")
		packages = append(packages, dataservicetest.Package{Name: name, Version: strings.TrimPrefix(full, name+"-"), File: "gnu/packages/maths.scm",
			Derivations: []dataservicetest.Derivation{{Path: string(row.Derivation), System: system}}})
	}
	s.Process("c0ffee", packages)

	client := new(substitutes.Client)
	f := newFarm(t, m, client.Derivation)
	ctx := t.Context()
	must(t, f.PutCollection(ctx, daemon.Collection{Name: "all", Source: daemon.FromDataService, URL: server.URL, Team: "science"}))
	s.Fail(502, "<html>Bad Gateway", 1)
	o, err := f.keeper.Update(ctx, "all", true)
	must(t, err)
	// What has the same name and version is one to those who read the list.
	if len(o.New) != len(a.Packages) || o.Errors != 0 {
		t.Errorf("got %d derivations of %d", len(o.New), len(a.Packages))
	}

	// The one with the smallest graph is submitted: guix publish is slow.
	smallest, size := "", 0
	for _, row := range a.Packages {
		if n := len(p.closure(row.Derivation)); smallest == "" || n < size {
			smallest, size = row.Package, n
		}
	}
	must(t, f.PutCollection(ctx, daemon.Collection{Name: "one", Source: daemon.FromDataService, URL: server.URL, Packages: []string{smallest}}))
	if o, err = f.keeper.Update(ctx, "one", false); err != nil || o.Submitted != 1 || o.Revision != "c0ffee" {
		t.Fatalf("%s: got %+v, %v, want its build submitted", smallest, o, err)
	}
	f.build(t, func(storepath.Path) bool { return false })
	if one := f.account(t, "one"); one.Counts[account.Builds] != 1 {
		text, _ := json.Marshal(one)
		t.Errorf("got %s", text)
	}
	fmt.Fprintf(t.Output(), "%s has %d derivations\n", smallest, size)
}

// closure are a derivation and all that it needs, which were read before.
func (p *plan) closure(path storepath.Path) map[storepath.Path]bool {
	seen := map[storepath.Path]bool{path: true}
	for todo := []storepath.Path{path}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, in := range p.drvs[next].Inputs {
			if !seen[in.Path] {
				seen[in.Path] = true
				todo = append(todo, in.Path)
			}
		}
	}
	return seen
}
