package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/machine"

	"golang.org/x/sys/unix"
)

// readScript is the peer's side: it reads a graph and prints how many derivations
// that were, and the time in seconds.
//
//go:embed read.scm
var readScript []byte

// Both sides begin with the derivations of some 300 packages, follow their inputs to more
// than 5,000 files, and keep all in memory. Neither start-up nor the computation
// of the derivations is in the time.
func init() {
	register(&race{
		name: "drv-read",
		what: "reading the derivations of Guix's algebra and maths packages",
		peer: "Guix's own read-derivation-from-file, in Guile",
		unit: "derivations/s",
		goal: atLeast(20),
		runs: 5,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			m, roots, err := s.realGraph(ctx)
			if err != nil {
				return nil, nil, err
			}
			want, err := readGraph(m, roots) // and now the files are in memory
			if err != nil {
				return nil, nil, err
			}
			ours = func(context.Context) (float64, error) {
				n, start := 0, time.Now()
				for range 5 { // once is too short to measure
					read, err := readGraph(m, roots)
					if err != nil {
						return 0, err
					}
					n += read
				}
				return float64(n) / time.Since(start).Seconds(), nil
			}
			return ours, guile(m, want), nil
		},
	})
}

// guile is the peer's side: it reads the graph of a machine, of so many
// derivations.
func guile(m *machine.Machine, want int) side {
	return func(ctx context.Context) (float64, error) {
		out, err := m.Run(ctx, "guix", "repl", "--", "/tmp/read.scm", "/tmp/roots")
		if err != nil {
			return 0, err
		}
		var n int
		var seconds float64
		if _, err := fmt.Sscan(out, &n, &seconds); err != nil {
			return 0, fmt.Errorf("read.scm said %q: %w", out, err)
		}
		if n != want {
			return 0, fmt.Errorf("it reads %d derivations, we %d", n, want)
		}
		return float64(n) / seconds, nil
	}
}

// computeGraph has Guix put the graph into the machine's store, and the names of
// the derivations that nothing else leads to into /tmp/roots.
func computeGraph(ctx context.Context, m *machine.Machine) (roots []storepath.Path, err error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Module.Dir}}", "codeberg.org/tbfg/tbfg/tests/bench").Output()
	if err != nil {
		return nil, fmt.Errorf("find the source tree: %w", err)
	}
	if err := m.Install(filepath.Join(strings.TrimSpace(string(dir)), "tests/graph.scm"), "/tmp/graph.scm"); err != nil {
		return nil, err
	}
	if err := m.WriteFile("/tmp/read.scm", readScript, 0o644); err != nil {
		return nil, err
	}
	out, err := m.Run(ctx, "guix", "repl", "--", "/tmp/graph.scm")
	if err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(out) {
		root, err := storepath.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("graph.scm said: %w", err)
		}
		roots = append(roots, root)
	}
	return roots, m.WriteFile("/tmp/roots", []byte(out), 0o644)
}

// readGraph reads derivations and all that they depend on, and returns how
// many that are.
func readGraph(m *machine.Machine, roots []storepath.Path) (int, error) {
	store, err := os.Open(m.Path("/gnu/store"))
	if err != nil {
		return 0, err
	}
	defer store.Close()
	read := make(map[storepath.Path]*derivation.Derivation)
	todo := slices.Clone(roots)
	buf := make([]byte, 1<<20)
	for len(todo) > 0 {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if read[path] != nil {
			continue
		}
		text, err := readFile(store, path.Base(), buf)
		if err != nil {
			return 0, err
		}
		drv, err := derivation.Parse(text)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
		read[path] = drv
		for _, input := range drv.Inputs {
			if read[input.Path] == nil {
				todo = append(todo, input.Path)
			}
		}
	}
	return len(read), nil
}

// readFile reads a file of a directory into buf, which must have room for one byte
// more. With thousands of small files, what os.ReadFile does besides would be a
// good part of what is measured.
func readFile(dir *os.File, name string, buf []byte) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf) // a short count from a plain file means its end
	if err != nil || n == len(buf) {
		return nil, fmt.Errorf("read %s: %d bytes: %w", name, n, err)
	}
	return buf[:n], nil
}
