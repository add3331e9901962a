// Package outputs keeps what builds made, as compressed NARs:
//
//	<state>/builds/<uuid>/outputs/<name>.nar.lz    (.nar.zst, .nar)
//	<state>/builds/<uuid>/outputs/<name>.json      what is known of it, see Meta
//	<state>/builds/<uuid>/outputs/<name>.partial   while it arrives
//
// Trust: the agents. That an output has the hash which its agent reports is
// checked while it arrives; that the build really makes it cannot be. Size:
// what agents upload, each bounded by the limit given to [New]. Loss: an
// output is gone, and can be built again.
package outputs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
)

const partialSuffix = ".partial"

// A Store keeps outputs below one directory.
type Store struct {
	dir   string
	limit int64

	mu      sync.Mutex
	uploads map[string]*upload // under way, by the name of the partial file
}

// New is a store below a directory, which need not be there yet. limit is the
// largest output in bytes, both compressed and not.
func New(dir string, limit int64) *Store {
	return &Store{dir: dir, limit: limit, uploads: make(map[string]*upload)}
}

// Meta is what is known of an output, besides what the farm's database has.
type Meta struct {
	Name        string `json:"name"`        // of the output, such as "out"
	File        string `json:"file"`        // in the same directory
	Compression string `json:"compression"` // "lzip", "zstd" or "none"
	FileSize    int64  `json:"file_size"`   // in bytes
	Hash        string `json:"nar_hash"`    // "sha256:" and base 32
	Size        int64  `json:"nar_size"`    // in bytes
}

// The names of builds and outputs must have been checked.
func (s *Store) build(uuid string) string { return filepath.Join(s.dir, uuid) }

func (s *Store) file(uuid, name string) string {
	return filepath.Join(s.build(uuid), "outputs", name)
}

// Meta tells of an output that is there, whole. Without one the error is
// [fs.ErrNotExist].
func (s *Store) Meta(uuid, name string) (m Meta, err error) {
	m, err = s.meta(uuid, name)
	if err == nil {
		_, err = os.Stat(s.whole(uuid, m))
	}
	if err != nil {
		return m, fmt.Errorf("look for output %s of build %s: %w", name, uuid, err)
	}
	return m, nil
}

// Open opens the file of an output that is there, whole. Without one the error
// is [fs.ErrNotExist].
func (s *Store) Open(uuid, name string) (f *os.File, m Meta, err error) {
	m, err = s.meta(uuid, name)
	if err == nil {
		f, err = os.Open(s.whole(uuid, m))
	}
	if err != nil {
		return nil, m, fmt.Errorf("open output %s of build %s: %w", name, uuid, err)
	}
	return f, m, nil
}

func (s *Store) meta(uuid, name string) (m Meta, err error) {
	text, err := os.ReadFile(s.file(uuid, name) + ".json")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// whole is the name of an output's file.
func (s *Store) whole(uuid string, m Meta) string {
	return filepath.Join(s.build(uuid), "outputs", filepath.Base(m.File))
}

// Remove deletes all outputs of a build.
func (s *Store) Remove(uuid string) error {
	if err := os.RemoveAll(s.build(uuid)); err != nil {
		return fmt.Errorf("remove outputs of build %s: %w", uuid, err)
	}
	return nil
}

// DropPartial deletes what has arrived of outputs that are not whole, because
// the build has ended.
func (s *Store) DropPartial(uuid string) error {
	files, err := filepath.Glob(s.file(uuid, "*"+partialSuffix))
	for _, f := range files {
		s.begin(f).end(s)
		if e := os.Remove(f); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return fmt.Errorf("remove parts of outputs of build %s: %w", uuid, err)
	}
	return nil
}

// An upload writes a partial file, until another one takes its place: the
// connection of one may be dead without anybody knowing yet.
type upload struct {
	file string

	mu      sync.Mutex // guards what follows, and the file
	stopped bool
}

// begin makes a new upload to a file the only one.
func (s *Store) begin(file string) *upload {
	u := &upload{file: file}
	s.mu.Lock()
	before := s.uploads[file]
	s.uploads[file] = u
	s.mu.Unlock()
	if before != nil {
		before.mu.Lock()
		before.stopped = true
		before.mu.Unlock()
	}
	return u
}

func (u *upload) end(s *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploads[u.file] == u {
		delete(s.uploads, u.file)
	}
}

// do does something with the file unless another upload has taken it.
func (u *upload) do(f func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return daemon.Errorf(daemon.Conflict, "another upload of the output has begun")
	}
	return f()
}

// Partial is how many bytes of an output have arrived; all of them if it is
// whole. An upload that is still under way ends. Without a byte the error is
// [fs.ErrNotExist].
func (s *Store) Partial(uuid, name string) (int64, error) {
	file := s.file(uuid, name) + partialSuffix
	s.begin(file).end(s)
	info, err := os.Stat(file)
	if err == nil {
		return info.Size(), nil
	}
	m, whole := s.Meta(uuid, name)
	if whole != nil {
		return 0, fmt.Errorf("look for parts of output %s of build %s: %w", name, uuid, err)
	}
	return m.FileSize, nil
}
