package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The Debian suites that roots are made from: one with a current Guix and
// Shepherd, and one with Guix 1.2.0, whose daemon speaks an older protocol.
const (
	Sid      = "sid"
	Bullseye = "bullseye"
)

// FindRoot has the script tests/guix-root make a root, unless it made one
// before, and returns its path: out of the first of the suites that can be
// had, or, when none is named, out of Sid or else Bullseye. The first time
// this takes a minute; the script's progress goes to standard error.
func FindRoot(ctx context.Context, suites ...string) (string, error) {
	script, err := findScript()
	if err != nil {
		return "", err
	}
	var args []string
	for _, s := range suites {
		args = append(args, "--suite="+s)
	}
	cmd := exec.CommandContext(ctx, script, args...)
	var path, progress bytes.Buffer
	cmd.Stdout = &path
	cmd.Stderr = io.MultiWriter(os.Stderr, &progress)
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(progress.String())
		return "", fmt.Errorf("make a root with Guix: %w: %s", err, said[strings.LastIndexByte(said, '\n')+1:])
	}
	return strings.TrimSpace(path.String()), nil
}

// findScript looks beside this source file, and, since a binary built with
// -trimpath does not know that, in the tree around the working directory.
func findScript() (string, error) {
	var dirs []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dirs = append(dirs, filepath.Dir(filepath.Dir(file)))
	}
	if wd, err := os.Getwd(); err == nil {
		for ; ; wd = filepath.Dir(wd) {
			dirs = append(dirs, filepath.Join(wd, "tests"))
			if wd == filepath.Dir(wd) {
				break
			}
		}
	}
	for _, dir := range dirs {
		script := filepath.Join(dir, "guix-root")
		if st, err := os.Stat(script); err == nil && st.Mode().IsRegular() {
			return script, nil
		}
	}
	return "", errors.New("find tests/guix-root: not in the source tree around " + dirs[len(dirs)-1])
}
