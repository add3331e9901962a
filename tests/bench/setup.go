package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// machine is a new machine on which guix-daemon runs.
func (s *setup) machine(ctx context.Context) (*machine.Machine, error) {
	root, err := machine.FindRoot(ctx)
	if err != nil {
		return nil, err
	}
	m, err := machine.Start(ctx, root)
	if err != nil {
		return nil, err
	}
	s.later(m.Close)
	_, err = m.Daemon(ctx)
	return m, err
}

// shop makes derivations on a machine.
func (s *setup) shop(ctx context.Context, m *machine.Machine) (*toy.Shop, error) {
	conn, err := guixdaemon.Dial(ctx, m.Socket())
	if err != nil {
		return nil, err
	}
	s.later(conn.Close)
	if err := conn.SetOptions(ctx, guixdaemon.Options{Offload: false}); err != nil {
		return nil, err
	}
	return toy.Open(ctx, conn, m.Path("/"))
}

// program builds a tbfg that can run in machines, which have other libraries
// than the host, and returns its name on the host.
func (s *setup) program(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "tbfg-bench-")
	if err != nil {
		return "", err
	}
	s.later(func() error { return os.RemoveAll(dir) })
	file := filepath.Join(dir, "tbfg")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "netgo,osusergo,sqlite_omit_load_extension",
		"-ldflags", `-linkmode external -extldflags "-static"`, "-o", file, "codeberg.org/tbfg/tbfg/cmd/tbfg")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tbfg: %w\n%s", err, out)
	}
	return file, nil
}
