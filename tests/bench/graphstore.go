package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// Our time begins with the first submission to an empty database and ends when
// the last one is acknowledged: then every derivation below is on the disk. Guile
// only reads the graph; its own time is that of the race drv-read.
func init() {
	register(&race{
		name: "graph-store",
		what: "submitting Guix's algebra and maths packages to a new coordinator, until it has stored their whole graph",
		peer: "Guix's own read-derivation-from-file, in Guile, which stores nothing",
		unit: "derivations/s",
		goal: atLeast(20),
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
				err = coordinate(ctx, state, m, func(c *coordinator.Coordinator) error {
					start := time.Now()
					if _, err := submitAll(ctx, c, roots, false); err != nil {
						return err
					}
					value = float64(len(graph)) / time.Since(start).Seconds()
					for _, n := range graph {
						if id, err := c.Store.DerivationID(ctx, n.Path); id == 0 || err != nil {
							return fmt.Errorf("%s is not stored: %v", n.Path, err)
						}
					}
					return nil
				})
				return value, err
			}
			return ours, guile(m, len(graph)), nil
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
				err = coordinate(ctx, state, m, func(c *coordinator.Coordinator) error {
					start := time.Now()
					builds, err := submitAll(ctx, c, roots, true)
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
func storeGraph(ctx context.Context, state string, graph []datastore.Node) error {
	store, err := datastore.Open(ctx, filepath.Join(state, "tbfg.db"))
	if err != nil {
		return err
	}
	err = store.Update(ctx, func(tx *datastore.Tx) error { return tx.InsertGraph(ctx, graph) })
	if e := store.Close(); err == nil {
		err = e
	}
	return err
}
