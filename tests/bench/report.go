package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/events"
	"codeberg.org/tbfg/tbfg/daemon/report"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The size of the collection: so many packages for each of two systems, over so
// many evaluations, each of which changes one package in fifty.
const (
	reportPackages    = 5000
	reportEvaluations = 50
	reportChanges     = 50
)

var reportSystems = []string{"x86_64-linux", "aarch64-linux"}

func init() {
	register(&race{
		name:    "report",
		what:    "the account of 5,000 packages for 2 systems over 50 evaluations: page, command, and an update with nothing new; 4 lines",
		measure: measureReport,
	})
}

const reportRuns = 5

func measureReport(ctx context.Context, s *setup) (f figure, err error) {
	state, err := s.fresh()
	if err != nil {
		return f, err
	}
	program, err := s.program(ctx)
	if err != nil {
		return f, err
	}
	s.progress("making up 5,000 packages and their history")
	drvs, err := fillHistory(ctx, filepath.Join(state, "tbfg.db"))
	if err != nil {
		return f, err
	}
	file := filepath.Join(state, "drvs")
	if err := os.WriteFile(file, []byte(strings.Join(drvs, "\n")), 0o644); err != nil {
		return f, err
	}
	err = coordinate(ctx, state, "", func(c *coordinator.Coordinator) error {
		return withKeeper(c, nil, func(k *collection.Keeper) error {
			f, err = reportFigures(ctx, s, c, k, program, file)
			return err
		})
	})
	return f, err
}

func reportFigures(ctx context.Context, s *setup, c *coordinator.Coordinator, k *collection.Keeper, program, file string) (f figure, err error) {
	pages := report.Handler(k)
	page := func() error {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/report/large", nil))
		if body := w.Body.String(); w.Code != http.StatusOK || strings.Count(body, "<tr ") != reportPackages*len(reportSystems) {
			return fmt.Errorf("the page: HTTP %d, %d rows", w.Code, strings.Count(body, "<tr "))
		}
		return nil
	}
	happen := func() error { // so that the account is out of date, as one that was just read is never
		spec := daemon.Collection{Name: "other", Source: daemon.FromFile, File: file}
		return c.PutCollection(ctx, spec)
	}
	server := httptest.NewServer(clientapi.Handler(c, events.New(c, 0, slog.New(slog.DiscardHandler)), nil, http.NotFoundHandler(), k.Routes()))
	defer server.Close()
	command := func() error {
		cmd := exec.CommandContext(ctx, program, "report", "large")
		cmd.Env = append(os.Environ(), "TBFG_COORDINATOR="+server.URL)
		out, err := cmd.CombinedOutput()
		if err == nil && !strings.Contains(string(out), "large: ") {
			err = fmt.Errorf("the command said %.200s", out)
		}
		return err
	}
	update := func() error {
		o, err := k.Update(ctx, "large", false)
		if err == nil && (o.Submitted > 0 || o.Changed > 0 || o.Packages != reportPackages*len(reportSystems)) {
			err = fmt.Errorf("the update: %+v", o)
		}
		return err
	}
	for _, one := range []struct {
		name  string
		goal  float64
		first func() error // not measured
		do    func() error
	}{
		{"report-page", 0.1, func() error { return nil }, page},
		{"report-page-anew", 0, func() error { time.Sleep(6 * time.Second); return happen() }, page},
		{"report-cli", 0.3, func() error { return nil }, command},
		{"update-nothing", 1, func() error { return nil }, update},
	} {
		g := figure{race: &race{name: one.name, unit: "s", goal: atMost(one.goal)}}
		for i := -1; i < reportRuns; i++ { // the first one warms up
			if err := one.first(); err != nil {
				return f, err
			}
			start := time.Now()
			if err := one.do(); err != nil {
				return f, err
			}
			if i >= 0 {
				g.ours = append(g.ours, time.Since(start).Seconds())
			}
		}
		s.progress(fmt.Sprintf("%s: %s s", one.name, short(median(g.ours))))
		if f.race == nil {
			f = g
		} else {
			f.more = append(f.more, g)
		}
	}
	return f, nil
}

// fillHistory makes a database with the history of a collection and returns its
// derivations at the end. One in twenty packages fails, as many need such a
// one.
func fillHistory(ctx context.Context, file string) (current []string, err error) {
	store, err := datastore.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := store.Close(); err == nil {
			err = e
		}
	}()
	const agent = "7bdd2249-1214-431a-aa61-de4d907f1b32"
	err = store.Update(ctx, func(tx *datastore.Tx) error {
		if err := tx.InsertAgent(ctx, agent, "simulated", ""); err != nil {
			return err
		}
		return tx.PutCollection(ctx, daemon.Collection{Name: "large", Source: daemon.FromFile, File: filepath.Join(filepath.Dir(file), "drvs")}, false)
	})
	if err != nil {
		return nil, err
	}
	packages := make([]daemon.Evaluated, reportPackages*len(reportSystems))
	builds := 0
	start := time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC)
	for number := 1; number <= reportEvaluations; number++ {
		err := store.Update(ctx, func(tx *datastore.Tx) error {
			for i := range packages {
				if number > 1 && (i+number)%reportChanges != 0 {
					continue
				}
				n := i / len(reportSystems)
				p := &packages[i]
				p.Package, p.System = fmt.Sprintf("package%d", n), reportSystems[i%len(reportSystems)]
				drv := &derivation.Derivation{System: p.System}
				if n%10 == 1 {
					drv.Inputs = []derivation.Input{{Path: packages[i-len(reportSystems)].Derivation, Outputs: []string{"out"}}}
				}
				base := fmt.Sprintf("%032d-%s-%d", builds, p.Package, number)
				p.Derivation = storepath.Path("/gnu/store/" + base + ".drv")
				drv.Outputs = []derivation.Output{{Name: "out", Path: storepath.Path("/gnu/store/" + base)}}
				if err := build(ctx, tx, p.Derivation, drv, builds, agent, n); err != nil {
					return err
				}
				builds++
			}
			list, err := tx.Collections(ctx, "large")
			if err != nil {
				return err
			}
			e := daemon.Evaluation{Number: number, Revision: fmt.Sprintf("%040x", number*0x9e3779b9), Time: start.AddDate(0, 0, number)}
			_, err = tx.InsertEvaluation(ctx, list[0].ID, e, packages)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, p := range packages {
		current = append(current, string(p.Derivation))
	}
	return current, nil
}

// build stores a derivation and a build of it that has ended, unless its input
// failed.
func build(ctx context.Context, tx *datastore.Tx, path storepath.Path, drv *derivation.Derivation, number int, agent string, n int) error {
	node := &datastore.Node{Path: path}
	node.Set(drv, func(path storepath.Path) *datastore.Node { return &datastore.Node{Path: path} })
	if err := tx.InsertGraph(ctx, node); err != nil {
		return err
	}
	id, err := tx.DerivationID(ctx, path)
	if err != nil {
		return err
	}
	uuid := fmt.Sprintf("7bdd2249-1214-431a-aa61-%012d", number)
	if _, err := tx.InsertBuild(ctx, id, daemon.Build{UUID: uuid, Created: time.Now()}); err != nil {
		return err
	}
	if n%20 == 1 {
		return nil // needs one that fails
	}
	b, _, err := tx.Build(ctx, uuid)
	if err != nil {
		return err
	}
	return tx.Finish(ctx, b, agent, daemon.Result{Success: n%20 != 0, Ended: time.Now()})
}
