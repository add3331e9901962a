package outputs

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/nar"
)

// A Part says which part of an output's file an upload sends, up to its end.
type Part struct {
	// Resume continues what has arrived; otherwise that is forgotten. Offset
	// is where the sender believes that this ends, or negative if it does not
	// say.
	Resume bool
	Offset int64
	// Hash is what the NAR must have, as in Meta; empty for anything.
	Hash string
}

// Save stores an output, a NAR that may be compressed with lzip or zstd. It is
// decompressed and checked as it arrives, and there when it is whole and
// right: when Save returns nil it is on the disk. What arrived before the body
// failed is kept and can be resumed; what is wrong is not.
func (s *Store) Save(uuid, name string, p Part, body io.Reader) (Meta, error) {
	m, err := s.save(uuid, name, p, body)
	if err != nil {
		return m, fmt.Errorf("save output %s of build %s: %w", name, uuid, err)
	}
	return m, nil
}

func (s *Store) save(uuid, name string, p Part, body io.Reader) (m Meta, err error) {
	final := s.file(uuid, name)
	if err := durable.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return m, err
	}
	u := s.begin(final + partialSuffix)
	defer u.end(s)
	f, size, err := u.open(p.Resume)
	if err != nil {
		return m, err
	}
	defer f.Close()
	if p.Resume {
		if there, err := s.Meta(uuid, name); err == nil && size == 0 && (p.Offset < 0 || p.Offset == there.FileSize) {
			return there, s.repeated(there, p, body)
		}
		if p.Offset >= 0 && p.Offset != size {
			return m, daemon.Errorf(daemon.Conflict, "the upload goes on at byte %d, but %d bytes have arrived", p.Offset, size)
		}
	}
	in := &arriving{u: u, f: f, size: size, limit: s.limit, body: body}
	m, err = s.check(io.MultiReader(io.NewSectionReader(f, 0, size), in))
	switch {
	case in.err != nil && in.err != io.EOF: // the other error only follows from it
		return m, in.err
	case err == nil && p.Hash != "" && p.Hash != m.Hash:
		err = fmt.Errorf("its NAR has the hash %s, not %s", m.Hash, p.Hash)
	}
	if err != nil {
		return m, errors.Join(wrong(err), u.do(func() error { return os.Remove(u.file) }))
	}
	m.Name, m.FileSize = name, in.size
	return m, u.do(func() error { return s.finish(f, final, &m) })
}

// open opens the partial file, and tells how much of it is there.
func (u *upload) open(resume bool) (f *os.File, size int64, err error) {
	flag := os.O_RDWR | os.O_CREATE
	if !resume {
		flag |= os.O_TRUNC
	}
	err = u.do(func() error {
		if f, err = os.OpenFile(u.file, flag, 0o644); err != nil {
			return err
		}
		size, err = f.Seek(0, io.SeekEnd)
		return err
	})
	return f, size, err
}

// repeated answers one who sends the end of an output that is whole: the
// answer to the first time was lost.
func (s *Store) repeated(there Meta, p Part, body io.Reader) error {
	if n, _ := body.Read(make([]byte, 1)); n > 0 {
		return daemon.Errorf(daemon.Conflict, "the upload goes on, but the output is whole")
	}
	if p.Hash != "" && p.Hash != there.Hash {
		return wrong(fmt.Errorf("its NAR has the hash %s, not %s", there.Hash, p.Hash))
	}
	return nil
}

func wrong(err error) error {
	if daemon.CodeOf(err) != "" {
		return err
	}
	return daemon.Errorf(daemon.Invalid, "the output is wrong: %v", err)
}

// check reads a whole file and tells of the NAR in it.
func (s *Store) check(r io.Reader) (m Meta, err error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	format, err := recognise(buffered)
	if err != nil {
		return m, err
	}
	plain, closePlain, err := format.open(buffered)
	if err != nil {
		return m, err
	}
	defer closePlain()
	hash := sha256.New()
	n := &counted{r: io.TeeReader(plain, hash), limit: s.limit}
	if err := checkNAR(n); err != nil {
		return m, err
	}
	m.Compression, m.File, m.Size = format.name, format.suffix, n.n
	m.Hash = "sha256:" + base32.Encode(hash.Sum(nil))
	return m, nil
}

// checkNAR reads a NAR and nothing after it.
func checkNAR(r io.Reader) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	archive := nar.NewReader(buffered)
	for {
		_, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if _, err := buffered.ReadByte(); err != io.EOF {
		if err == nil {
			err = errors.New("something follows the NAR")
		}
		return err
	}
	return nil
}

// finish makes a partial file the output.
func (s *Store) finish(f *os.File, final string, m *Meta) error {
	if err := f.Sync(); err != nil {
		return err
	}
	suffix := m.File
	m.File = m.Name + ".nar" + suffix
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	for _, other := range formats {
		if other.suffix != suffix {
			if err := os.Remove(final + ".nar" + other.suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	if err := os.Rename(final+partialSuffix, final+".nar"+suffix); err != nil {
		return err
	}
	return durable.WriteFile(final+".json", append(text, '\n'), 0o644)
}

// arriving keeps a body in a file as it is read.
type arriving struct {
	u     *upload
	f     *os.File
	size  int64
	limit int64
	body  io.Reader
	err   error
}

func (a *arriving) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.body.Read(p)
	if a.size+int64(n) > a.limit {
		a.err = tooLarge()
		return 0, a.err
	}
	if n > 0 {
		if e := a.u.do(func() error { _, e := a.f.WriteAt(p[:n], a.size); return e }); e != nil {
			a.err = e
			return 0, e
		}
		a.size += int64(n)
	}
	if err != nil && err != io.EOF {
		err = daemon.Errorf(daemon.Invalid, "the upload ended early: %v", err)
	}
	a.err = err
	return n, err
}

// counted counts what is read and bounds it.
type counted struct {
	r        io.Reader
	n, limit int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > c.limit {
		return 0, tooLarge()
	}
	return n, err
}

func tooLarge() error {
	return daemon.Errorf(daemon.TooLarge, "the output is larger than the coordinator's limit (coordinator.max_output_size)")
}
