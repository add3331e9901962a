package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be left alone before it counts as changed:
// editors and reconfigurations change things in several steps.
const settle = 50 * time.Millisecond

// maxLinks is how many symbolic links are followed, as the kernel does.
const maxLinks = 40

// Watch calls changed as soon as it watches a file, since what was read before
// may be old, and then whenever the file may have another content, until ctx
// ends: when it is written, replaced, removed or made, and when a symbolic
// link anywhere on the way to it is swapped, as "guix system reconfigure"
// swaps /etc/static. The file need not be there.
func Watch(ctx context.Context, file string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", file, err)
	}
	defer w.Close()
	f := &followed{w: w, file: file}
	if err := f.follow(); err != nil {
		return fmt.Errorf("watch %s: %w", file, err)
	}
	changed()
	timer := time.NewTimer(settle)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if f.concerns(e.Name) {
				timer.Reset(settle)
			}
		case err := <-w.Errors:
			// Most likely there were too many events; one may be ours.
			timer.Reset(settle)
			_ = err
		case <-timer.C:
			if err := f.follow(); err != nil {
				return fmt.Errorf("watch %s: %w", file, err)
			}
			changed() // even if it looks as before: two writes may have the same time and size
		}
	}
}

// followed is a file and what is on the way to it.
type followed struct {
	w     *fsnotify.Watcher
	file  string
	names []string // of links on the way and of the file itself, as events name them
}

// concerns tells whether an event is of something on the way.
func (f *followed) concerns(name string) bool { return slices.Contains(f.names, filepath.Clean(name)) }

// follow watches the directories of all that is on the way to the file. Whoever
// reads the file does so afterwards, so that no change falls in between.
func (f *followed) follow() error {
	for range maxLinks {
		f.names = way(f.file)
		if err := f.watch(); err != nil || slices.Equal(way(f.file), f.names) {
			return err
		}
	}
	return nil // it changes all the time, and more events come
}

// watch watches the directories of the names and no others.
func (f *followed) watch() error {
	var dirs []string
	for _, name := range f.names {
		dir := filepath.Dir(name)
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range f.w.WatchList() {
		if !slices.Contains(dirs, dir) {
			_ = f.w.Remove(dir) // it may be gone
		}
	}
	for _, dir := range dirs {
		if err := f.w.Add(dir); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// way lists, for a file, the symbolic links that lead to it, what is at the
// end of them, and, if that is not there, the first directory that is missing.
func way(file string) (names []string) {
	rest := strings.Split(strings.Trim(filepath.Clean(file), "/"), "/")
	at := "/"
	for links := 0; len(rest) > 0; {
		name := filepath.Join(at, rest[0])
		rest = rest[1:]
		to, err := os.Readlink(name)
		switch {
		case err == nil && links < maxLinks:
			links++
			names = append(names, name)
			if !filepath.IsAbs(to) {
				to = filepath.Join(at, to)
			}
			rest = append(strings.Split(strings.Trim(filepath.Clean(to), "/"), "/"), rest...)
			at = "/"
		case os.IsNotExist(err):
			return append(names, name)
		default:
			at = name
		}
	}
	return append(names, at)
}
