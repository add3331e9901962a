package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// The tree is /usr/share of a Guix machine: over 7,000 files of all sizes. It is in
// the page cache on both sides, so that no disk is measured.
func init() {
	register(&race{
		name: "nar-hash",
		what: "the SHA-256 of the NAR of a tree in memory",
		peer: "nix-store --dump | sha256sum",
		unit: "MB/s",
		goal: atLeast(1.8),
		runs: 7,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			root, err := machine.FindRoot(ctx)
			if err != nil {
				return nil, nil, err
			}
			nixStore, err := s.nixStore(ctx)
			if err != nil {
				return nil, nil, err
			}
			home, err := os.MkdirTemp("", "tbfg-bench-")
			if err != nil {
				return nil, nil, err
			}
			s.later(func() error { return os.RemoveAll(home) })
			tree := filepath.Join(root, "usr/share")
			want, size, err := nar.Hash(tree) // reads it into memory, too
			if err != nil {
				return nil, nil, err
			}
			if size < 130e6 {
				return nil, nil, fmt.Errorf("%s has only %d bytes", tree, size)
			}
			rate := func(start time.Time) float64 { return float64(size) / 1e6 / time.Since(start).Seconds() }
			ours = func(context.Context) (float64, error) {
				start := time.Now()
				_, _, err := nar.Hash(tree)
				return rate(start), err
			}
			peers = func(ctx context.Context) (float64, error) {
				cmd := exec.CommandContext(ctx, "sh", "-c", `"$1" --dump "$2" | sha256sum`, "sh", nixStore, tree)
				cmd.Env = append(os.Environ(), "NIX_REMOTE=", "HOME="+home)
				cmd.Stderr = os.Stderr
				start := time.Now()
				out, err := cmd.Output()
				v := rate(start)
				if err == nil && !strings.HasPrefix(string(out), hex.EncodeToString(want[:])) {
					err = fmt.Errorf("it says %.64s, we %x", out, want)
				}
				return v, err
			}
			return ours, peers, nil
		},
	})
}

// nixStore finds nix-store, and installs it where it is missing and can be.
func (s *setup) nixStore(ctx context.Context) (string, error) {
	if file, err := exec.LookPath("nix-store"); err == nil {
		return file, nil
	}
	s.progress("installing nix-bin for its nix-store")
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "nix-bin"}} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return exec.LookPath("nix-store")
}
