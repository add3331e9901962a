package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// The peer does the same in Guile, and prints only the derivations' names: what is
// above it is the cost of telling tbfg what each package is.
func init() {
	register(&race{
		name: "evaluate",
		what: "computing the derivations of the collection of algebra and maths packages, in processor time of guix and ours",
		peer: "guix repl with a script that prints the derivations",
		unit: "CPU s",
		goal: atMost(1.05),
		runs: 5,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			m, err := s.machine(ctx)
			if err != nil {
				return nil, nil, err
			}
			if _, err := computeGraph(ctx, m); err != nil { // so that both find all in the store
				return nil, nil, err
			}
			peers = func(ctx context.Context) (float64, error) {
				before := processorTime()
				_, err := m.Run(ctx, "guix", "repl", "--", "/tmp/graph.scm")
				return (processorTime() - before).Seconds(), err
			}
			ours = func(ctx context.Context) (value float64, err error) {
				state, err := s.fresh()
				if err != nil {
					return 0, err
				}
				err = coordinate(ctx, state, m.Path("/gnu/store"), func(c *coordinator.Coordinator) error {
					return withKeeper(c, guixOf(m), func(k *collection.Keeper) error {
						spec := daemon.Collection{Name: "science", Source: daemon.FromGuix, Modules: []string{"gnu/packages/algebra.scm", "gnu/packages/maths.scm"}}
						if err := c.PutCollection(ctx, spec); err != nil {
							return err
						}
						before := processorTime()
						o, err := k.Update(ctx, "science", true)
						value = (processorTime() - before).Seconds()
						if err == nil && (o.Packages < 250 || o.Errors > 0) {
							err = fmt.Errorf("got %+v", o)
						}
						return err
					})
				})
				return value, err
			}
			return ours, peers, nil
		},
	})
}

// guixOf runs a machine's guix; the script that it is given lies on the host.
func guixOf(m *machine.Machine) collection.Command {
	return func(ctx context.Context, name string, args ...string) *exec.Cmd {
		for _, arg := range args {
			if strings.HasSuffix(arg, "/evaluate.scm") {
				os.MkdirAll(m.Path(filepath.Dir(arg)), 0o755)
				if err := m.Install(arg, arg); err != nil {
					cmd := m.Command(ctx, name)
					cmd.Err = err
					return cmd
				}
			}
		}
		return m.Command(ctx, name, args...)
	}
}

func withKeeper(c *coordinator.Coordinator, run collection.Command, f func(*collection.Keeper) error) error {
	k, err := collection.Open(collection.Config{Coordinator: c, System: "x86_64-linux", Command: run, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	err = f(k)
	if e := k.Close(); err == nil {
		err = e
	}
	return err
}
