// Package spool keeps on an agent's disk what must not get lost before the
// coordinator has it: of each build a directory, named by its UUID, with
//
//	record        what is known of it, as JSON; replaced and synced as a whole
//	log           what its builder wrote, plain text
//	log.gz        the same for coordinators that take logs only whole
//	NAME.nar.lz   an output on its way (also .zst or without)
//	NAME.root     a link to an output, registered with guix-daemon: it keeps
//	              the output from the garbage collector
//
// Trust: who can write there decides what the agent reports. Size: the logs
// and compressed outputs of the builds that the agent has in its hands. Loss:
// those builds are built again.
package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/durable"

	"github.com/google/uuid"
)

const recordName = "record"

// A Spool is such a directory.
type Spool struct{ dir string }

// Open makes the directory if need be.
func Open(dir string) (*Spool, error) {
	dir, err := filepath.Abs(dir) // the guix-daemon has its own working directory
	if err != nil {
		return nil, fmt.Errorf("open the spool directory: %w", err)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the spool directory: %w", err)
	}
	return &Spool{dir}, nil
}

// A Record is what must be known of a build after the agent was killed.
type Record struct {
	Build daemon.Allocation
	// Outputs are those of the derivation, without hashes, once the build
	// began. Fresh tells that none of them was in the store at that time.
	Outputs []daemon.Output
	Fresh   bool
	// Result is set once the build has ended.
	Result *daemon.Result
}

// An Entry is a build's part of the spool. It is for one goroutine.
type Entry struct {
	Record
	dir string
}

// Make finds or makes the entry of a build. What a killed agent knew of it is
// in the record; what cannot be read counts as unknown.
func (s *Spool) Make(b daemon.Allocation) (*Entry, error) {
	if err := uuid.Validate(b.UUID); err != nil {
		return nil, fmt.Errorf("spool: %q is no build's UUID", b.UUID)
	}
	e := &Entry{dir: filepath.Join(s.dir, b.UUID)}
	if err := os.Mkdir(e.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := e.read(); err != nil || e.Build.Derivation != b.Derivation {
		e.Record = Record{}
	}
	e.Build = b
	return e, nil
}

// Entries are what a killed agent left. Leftovers without a record are cleared
// away.
func (s *Spool) Entries() (entries []*Entry, err error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	for _, n := range names {
		if !n.IsDir() || uuid.Validate(n.Name()) != nil {
			continue
		}
		e := &Entry{dir: filepath.Join(s.dir, n.Name())}
		if e.read() != nil || e.Build.UUID != n.Name() {
			if err := e.Remove(); err != nil {
				return nil, err
			}
			continue
		}
		if err := durable.Sweep(e.dir); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *Entry) read() error {
	text, err := os.ReadFile(e.File(recordName))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &e.Record)
}

// Save puts the record on the disk.
func (e *Entry) Save() error {
	err := e.write(durable.WriteFile)
	if err == nil {
		err = durable.SyncDir(filepath.Dir(e.dir))
	}
	return e.explain(err)
}

// Note is Save for a record that may be lost when the machine loses power, but
// not when the agent is killed: it does not wait for the disk.
func (e *Entry) Note() error { return e.explain(e.write(durable.ReplaceFile)) }

func (e *Entry) write(write func(name string, data []byte, mode os.FileMode) error) error {
	text, err := json.Marshal(e.Record)
	if err != nil {
		return err
	}
	return write(e.File(recordName), text, 0o600)
}

func (e *Entry) explain(err error) error {
	if err != nil {
		return fmt.Errorf("spool the build %s: %w", e.Build.UUID, err)
	}
	return nil
}

// File is the name of one of the entry's files.
func (e *Entry) File(name string) string { return filepath.Join(e.dir, name) }

// Remove forgets the build. The record goes first: an agent killed meanwhile
// would else find a result whose log is gone, and deliver none in its place.
func (e *Entry) Remove() error {
	err := os.Remove(e.File(recordName))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.RemoveAll(e.dir)
	}
	if err != nil {
		return fmt.Errorf("clear the spool: %w", err)
	}
	return nil
}

// Root makes a link to an output that the guix-daemon can take for a root.
func (e *Entry) Root(o daemon.Output) (file string, err error) {
	file = e.File(o.Name + ".root")
	if err := os.Symlink(string(o.Path), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep an output from the garbage collector: %w", err)
	}
	return file, nil
}

// DropRoots lets the garbage collector have the outputs again.
func (e *Entry) DropRoots() error {
	files, err := filepath.Glob(e.File("*.root"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
