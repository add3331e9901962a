package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/memory"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/machine"

	"golang.org/x/sync/errgroup"
)

// realGraph makes a machine and in its store the graph of Guix's algebra and
// maths packages.
func (s *setup) realGraph(ctx context.Context) (m *machine.Machine, roots []storepath.Path, err error) {
	if m, err = s.machine(ctx); err != nil {
		return nil, nil, err
	}
	s.progress("Guix computes the derivations; this takes some 20 s")
	roots, err = computeGraph(ctx, m)
	return m, roots, err
}

// node is a derivation that was read.
type node struct {
	Path storepath.Path
	*derivation.Derivation
}

// nodes reads a graph in an order in which every derivation follows its inputs.
func nodes(m *machine.Machine, roots []storepath.Path) ([]node, error) {
	var order []node
	seen := make(map[storepath.Path]bool)
	var visit func(storepath.Path) error
	visit = func(path storepath.Path) error {
		if seen[path] {
			return nil
		}
		seen[path] = true
		text, err := os.ReadFile(m.Path(string(path)))
		if err != nil {
			return err
		}
		drv, err := derivation.Parse(text)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		for _, in := range drv.Inputs {
			if err := visit(in.Path); err != nil {
				return err
			}
		}
		order = append(order, node{path, drv})
		return nil
	}
	for _, root := range roots {
		if err := visit(root); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// unstored is a graph for a new database.
func unstored(graph []node) []*datastore.Node {
	nodes := make([]*datastore.Node, len(graph))
	at := make(map[storepath.Path]*datastore.Node, len(graph))
	for i, n := range graph {
		nodes[i] = &datastore.Node{Path: n.Path}
		nodes[i].Set(n.Derivation, func(path storepath.Path) *datastore.Node { return at[path] })
		at[n.Path] = nodes[i]
	}
	return nodes
}

// fresh makes a directory for a coordinator's state, on the disk that the
// machines are on.
func (s *setup) fresh() (string, error) {
	dir, err := os.MkdirTemp("", "tbfg-bench-")
	if err == nil {
		s.later(func() error { return os.RemoveAll(dir) })
	}
	return dir, err
}

// plain copies a graph's derivations out of a machine, whose store is an overlay:
// the store of a farm is none, and to open a file takes twice the time there.
func (s *setup) plain(m *machine.Machine, graph []node) (string, error) {
	dir, err := s.fresh()
	for _, n := range graph {
		var text []byte
		if err == nil {
			text, err = os.ReadFile(m.Path(string(n.Path)))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, n.Path.Base()), text, 0o444)
		}
	}
	return dir, err
}

// coordinate runs f with a coordinator whose state is in a directory; it finds
// derivations in another one, if there is a name.
func coordinate(ctx context.Context, state, derivations string, f func(*coordinator.Coordinator) error) (err error) {
	frugal, cancel := context.WithCancel(ctx)
	defer cancel()
	runtime.GC()        // what was prepared is not the coordinator's
	memory.Save(frugal) // as the daemon
	var dir *os.File
	if derivations != "" {
		if dir, err = os.Open(derivations); err != nil {
			return err
		}
		defer dir.Close()
	}
	store, err := datastore.Open(ctx, filepath.Join(state, "tbfg.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	logs, err := buildlog.Open(filepath.Join(state, "build-logs"), 1<<20)
	if err != nil {
		return err
	}
	c, err := coordinator.Open(ctx, coordinator.Config{
		Store: store, Logs: logs, Outputs: outputs.New(filepath.Join(state, "builds"), 1<<20), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Settings: coordinator.Settings{Policy: coordinator.Policy{Lease: time.Hour, SetupRetry: time.Minute, MaxSetupRetry: time.Hour}},
		Read: func(path storepath.Path, buf []byte) ([]byte, error) {
			if dir == nil {
				return nil, daemon.Errorf(daemon.NotFound, "there is no %s", path)
			}
			return readFile(dir, path.Base(), slices.Grow(buf, 128<<10)[:128<<10])
		},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// submitAll submits builds of derivations, so many at the same time, and returns
// how many builds that made. When it returns, all is on the disk.
func submitAll(ctx context.Context, c *coordinator.Coordinator, drvs []storepath.Path, submitters int, withInputs bool) (builds int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	todo := make(chan storepath.Path)
	made := make([]int, submitters)
	for i := range submitters {
		group.Go(func() error {
			for drv := range todo {
				done, err := c.Submit(ctx, daemon.Submission{Derivation: drv, WithInputs: withInputs, SkipIfDerivationHasBuild: withInputs})
				if err != nil {
					return err
				}
				made[i] += done.Inputs
				if done.UUID != "" {
					made[i]++
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(todo)
		for _, drv := range drvs {
			select {
			case todo <- drv:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	err = group.Wait()
	for _, n := range made {
		builds += n
	}
	return builds, err
}
