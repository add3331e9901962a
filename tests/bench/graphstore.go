package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Our time begins with the first submission to an empty database and ends when
// the last one is acknowledged: then every derivation below is on the disk. Guile
// only reads the graph, through the overlay of its machine, which is less than a
// hundredth of its time.
func init() {
	register(&race{
		name: "graph-store",
		what: "submitting Guix's algebra and maths packages to a new coordinator, until it has stored their whole graph",
		peer: "Guix's own read-derivation-from-file, in Guile, which stores nothing",
		unit: "derivations/s",
		goal: atLeast(20),
		runs: 11,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			m, roots, err := s.realGraph(ctx)
			if err != nil {
				return nil, nil, err
			}
			graph, err := nodes(m, roots)
			if err != nil {
				return nil, nil, err
			}
			paths := make([]storepath.Path, len(graph))
			for i, n := range graph {
				paths[i] = storepath.Path(strings.Clone(string(n.Path))) // which do not hold the graph in memory
			}
			store, err := s.plain(m, graph)
			if err != nil {
				return nil, nil, err
			}
			ours = func(ctx context.Context) (value float64, err error) {
				state, err := s.fresh()
				if err != nil {
					return 0, err
				}
				err = coordinate(ctx, state, store, func(c *coordinator.Coordinator) error {
					start := time.Now()
					if _, err := submitAll(ctx, c, roots, len(roots), false); err != nil {
						return err
					}
					value = float64(len(paths)) / time.Since(start).Seconds()
					if unknown, err := c.Store.Unknown(ctx, paths); len(unknown) > 0 || err != nil {
						return fmt.Errorf("%d derivations are not stored: %v", len(unknown), err)
					}
					return nil
				})
				return value, err
			}
			return ours, guile(m, len(paths)), nil
		},
	})
	register(&race{
		name: "submit-rate",
		what: "submitting the same with builds of all inputs, where the graph is known, each build on the disk before it is acknowledged",
		unit: "builds/s",
		goal: atLeast(5000),
		runs: 5,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			m, roots, err := s.realGraph(ctx)
			if err != nil {
				return nil, nil, err
			}
			graph, err := nodes(m, roots)
			if err != nil {
				return nil, nil, err
			}
			ours = func(ctx context.Context) (value float64, err error) {
				state, err := s.fresh()
				if err != nil {
					return 0, err
				}
				if err := storeGraph(ctx, state, graph); err != nil {
					return 0, err
				}
				err = coordinate(ctx, state, m.Path("/gnu/store"), func(c *coordinator.Coordinator) error {
					start := time.Now()
					builds, err := submitAll(ctx, c, roots, 8, true)
					value = float64(builds) / time.Since(start).Seconds()
					if err == nil && builds < len(graph)*9/10 { // some make the same outputs
						err = fmt.Errorf("got %d builds of %d derivations", builds, len(graph))
					}
					return err
				})
				return value, err
			}
			return ours, nil, nil
		},
	})
}

// storeGraph makes a database that knows derivations and has no builds.
func storeGraph(ctx context.Context, state string, graph []node) error {
	store, err := datastore.Open(ctx, filepath.Join(state, "tbfg.db"))
	if err != nil {
		return err
	}
	err = store.Update(ctx, func(tx *datastore.Tx) error { return tx.InsertGraph(ctx, unstored(graph)...) })
	if e := store.Close(); err == nil {
		err = e
	}
	return err
}
