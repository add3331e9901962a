package config

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched tells of changes of a file; the test ends it.
func watched(t *testing.T, file string) <-chan struct{} {
	t.Helper()
	told := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Watch(ctx, file, func() { told <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got the error %v at the end, want none", err)
		}
	})
	heard(t, told, "the beginning")
	return told
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// heard waits for a change to be told.
func heard(t *testing.T, told <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not told", what)
	}
	for {
		select {
		case <-told: // told in two steps
		case <-time.After(3 * settle):
			return
		}
	}
}

func TestWatchTellsOfEveryWayToChangeAFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	told := watched(t, file)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"written in place", func() error { return os.WriteFile(file, []byte("in place"), 0o600) }},
		{"replaced", func() error {
			must(t, os.WriteFile(file+".new", []byte("another"), 0o600))
			return os.Rename(file+".new", file)
		}},
		{"replaced by a file of the same size and time", func() error {
			was, err := os.Stat(file)
			must(t, err)
			must(t, os.WriteFile(file+".new", []byte("ANOTHER"), 0o600))
			must(t, os.Chtimes(file+".new", time.Time{}, was.ModTime()))
			return os.Rename(file+".new", file)
		}},
		{"removed", func() error { return os.Remove(file) }},
		{"made anew", func() error { return os.WriteFile(file, []byte("anew"), 0o600) }},
		{"renamed away and written, as some editors do", func() error {
			must(t, os.Rename(file, file+"~"))
			return os.WriteFile(file, []byte("edited"), 0o600)
		}},
	} {
		must(t, step.do())
		heard(t, told, step.what)
	}
	must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	select {
	case <-told:
		t.Error("told of another file")
	case <-time.After(3 * settle):
	}
}

// The way is that of Guix System: /etc/tbfg -> /etc/static/tbfg, where
// /etc/static is a link into the store that is swapped.
func TestWatchFollowsAChainOfLinks(t *testing.T) {
	dir := t.TempDir()
	for _, generation := range []string{"1", "2", "3"} {
		must(t, os.MkdirAll(filepath.Join(dir, "store", generation, "tbfg"), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "store", generation, "tbfg", "config.toml"), []byte(generation), 0o600))
	}
	etc := filepath.Join(dir, "etc")
	must(t, os.Mkdir(etc, 0o700))
	swap := func(to string) {
		must(t, os.Symlink(to, filepath.Join(etc, "new")))
		must(t, os.Rename(filepath.Join(etc, "new"), filepath.Join(etc, "static")))
	}
	swap(filepath.Join(dir, "store", "1"))
	must(t, os.Symlink("static/tbfg", filepath.Join(etc, "tbfg")))
	file := filepath.Join(etc, "tbfg", "config.toml")
	told := watched(t, file)
	for _, generation := range []string{"2", "3", "1", "3"} {
		swap(filepath.Join(dir, "store", generation))
		heard(t, told, "generation "+generation)
	}
	must(t, os.Remove(filepath.Join(etc, "static")))
	heard(t, told, "no generation")
	swap("../store/2")
	heard(t, told, "a relative link")
	must(t, os.WriteFile(file, []byte("in the third place"), 0o600))
	heard(t, told, "written through the links")
}

func TestWatchALoopOfLinks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("b", filepath.Join(dir, "a")))
	must(t, os.Symlink("a", filepath.Join(dir, "b")))
	if names := way(filepath.Join(dir, "a")); len(names) > maxLinks+1 {
		t.Errorf("got %d names, want at most %d", len(names), maxLinks+1)
	}
}
