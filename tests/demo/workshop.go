package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A workshop is the directory where a demo keeps its files. It stays, so that
// the logs can be read afterwards and the program need not be built again.
type workshop struct {
	dir  string
	lock *os.File // dir, locked for as long as the demo runs
}

// openWorkshop takes the first directory that no other demo works in, and
// removes what the last one left there.
func openWorkshop() (*workshop, error) {
	cache := os.Getenv("TBFG_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(user, "tbfg")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, err
	}
	for n := range 100 {
		dir := filepath.Join(cache, fmt.Sprintf("demo-%d", n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		lock, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			lock.Close()
			continue
		}
		w := &workshop{dir, lock}
		return w, w.clear(false)
	}
	return nil, fmt.Errorf("a hundred demos run already in %s", cache)
}

// clear leaves the program and, if so wished, the logs.
func (w *workshop) clear(keepLogs bool) error {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if w.file(e.Name()) == w.program() || keepLogs && strings.HasSuffix(e.Name(), ".log") {
			continue
		}
		if err := os.RemoveAll(w.file(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w *workshop) file(name string) string { return filepath.Join(w.dir, name) }

func (w *workshop) program() string { return w.file("tbfg") }

func (w *workshop) close() error { return errors.Join(w.clear(true), w.lock.Close()) }

// run runs a command with its messages going to a log in the workshop, and
// returns what it wrote to standard output. Lines of its messages that begin
// with the prefix, if there is one, also go to show.
func (w *workshop) run(cmd *exec.Cmd, log, prefix string, show func(line string)) (string, error) {
	f, err := os.Create(w.file(log))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var out strings.Builder
	cmd.Stdout = &out
	cmd.Stderr = io.Writer(f)
	if prefix != "" {
		cmd.Stderr = io.MultiWriter(f, &lines{prefix: prefix, show: show})
	}
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s\nAll that it said is in %s", strings.Join(cmd.Args, " "), err, tail(f.Name(), 10), f.Name())
	}
	return strings.TrimSpace(out.String()), nil
}

// lines is a writer that shows the lines with a prefix, without it.
type lines struct {
	prefix string
	show   func(string)
	rest   string // the beginning of a line
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, whole := strings.Cut(l.rest, "\n")
		if !whole {
			return len(p), nil
		}
		if text, ok := strings.CutPrefix(line, l.prefix); ok {
			l.show(text)
		}
		l.rest = rest
	}
}

// tail is the end of a file, for messages.
func tail(file string, n int) string {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
