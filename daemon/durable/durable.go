// Package durable makes files appear whole or not at all, and stay.
//
// A file is written under a temporary name in its own directory, synced,
// renamed, and the directory synced, so that after a power failure there is
// either the old state or the new one. What this cannot promise: a disk that
// lies about having written, and that the temporary file of a program that
// was killed goes away by itself (see [Sweep]).
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// prefix marks temporary files, so that Sweep knows them.
const prefix = ".tmp-"

// A File is a file that nobody sees before Commit.
type File struct {
	*os.File
	name string
	done bool
}

// Create begins a file that will have the given name and mode. The caller
// must call Commit or Abort.
func Create(name string, mode os.FileMode) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(name), prefix+"*")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", name, err), f.Close(), os.Remove(f.Name()))
	}
	return &File{File: f, name: name}, nil
}

// CommitAs is Commit under another name on the same file system, for files
// whose directory is made only when all is well.
func (f *File) CommitAs(name string) error {
	f.name = name
	return f.Commit()
}

// Commit makes the file appear under its name, in the place of one that was
// there. When it returns nil the file is on the disk.
func (f *File) Commit() error {
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.name, err), f.Abort())
	}
	if err := f.appear(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(f.name))
}

// appear closes the file and gives it its name.
func (f *File) appear() error {
	temporary := f.Name()
	f.done = true
	if err := f.Close(); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.name, err), os.Remove(temporary))
	}
	if err := os.Rename(temporary, f.name); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.name, err), os.Remove(temporary))
	}
	return nil
}

// Abort removes the file, unless it was committed. It is for defer.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// WriteFile writes a whole file.
func WriteFile(name string, data []byte, mode os.FileMode) error {
	return writeFile(name, data, mode, (*File).Commit)
}

// ReplaceFile is WriteFile for what may be lost in a power failure: it does
// not wait for the disk. A reader finds the old file or the new one, after a
// power failure perhaps neither.
func ReplaceFile(name string, data []byte, mode os.FileMode) error {
	return writeFile(name, data, mode, (*File).appear)
}

func writeFile(name string, data []byte, mode os.FileMode, finish func(*File) error) error {
	f, err := Create(name, mode)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return finish(f)
}

// MkdirAll makes a directory and those above it, so that they last.
func MkdirAll(name string, mode os.FileMode) error {
	if _, err := os.Stat(name); err == nil {
		return os.MkdirAll(name, mode) // complains if it is no directory
	}
	if parent := filepath.Dir(name); parent != name {
		if err := MkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// SyncDir makes what was renamed or made in a directory last.
func SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync directory %s: %w", name, err), d.Close())
	}
	return d.Close()
}

// Sweep removes the temporary files that a killed program left in a
// directory. Nothing may be writing there.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
	}
	return nil
}
