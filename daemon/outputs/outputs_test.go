package outputs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/nar"

	"github.com/klauspost/compress/zstd"
)

const (
	build = "7bdd2249-1214-431a-aa61-de4d907f1b32"
	limit = 1 << 20
)

// archive is the NAR of a file of some size that does not compress.
func archive(t testing.TB, size int) []byte {
	t.Helper()
	text := make([]byte, size)
	random := rand.NewChaCha8([32]byte{})
	random.Read(text)
	return archiveOf(t, text)
}

// archiveOf is the NAR of a file.
func archiveOf(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := nar.NewWriter(&b)
	err := w.WriteHeader(&nar.Header{Type: nar.Regular, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write(text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + base32.Encode(sum[:])
}

// compressed is data in a format.
func compressed(t testing.TB, format string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch format {
	case "lzip":
		w = lzip.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	default:
		return data
	}
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return New(filepath.Join(t.TempDir(), "builds"), limit)
}

// files are the names of a build's files.
func (s *Store) files() (names []string) {
	list, _ := filepath.Glob(filepath.Join(s.dir, "*", "*", "*"))
	for _, f := range list {
		names = append(names, filepath.Base(f))
	}
	return names
}

func TestOutputsAreKeptInEveryFormat(t *testing.T) {
	plain := archive(t, 100_000)
	for format, file := range map[string]string{"lzip": "out.nar.lz", "zstd": "out.nar.zst", "none": "out.nar"} {
		t.Run(format, func(t *testing.T) {
			s, data := newStore(t), compressed(t, format, plain)
			for range 2 { // in the place of the first
				m, err := s.Save(build, "out", Part{Hash: hashOf(plain)}, iotest.HalfReader(bytes.NewReader(data)))
				want := Meta{"out", file, format, int64(len(data)), hashOf(plain), int64(len(plain))}
				if err != nil || m != want {
					t.Fatalf("got %+v, %v, want %+v", m, err, want)
				}
				if again, err := s.Meta(build, "out"); err != nil || again != want {
					t.Errorf("got %+v, %v, want %+v", again, err, want)
				}
			}
			f, m, err := s.Open(build, "out")
			if err != nil || m.File != file {
				t.Fatalf("got %+v, %v", m, err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("the file has %d bytes, %v, and is not what was sent", len(got), err)
			}
			if got := s.files(); !slices.Equal(got, []string{"out.json", file}) {
				t.Errorf("got the files %q", got)
			}
			// In another format, it is still one output.
			if _, err := s.Save(build, "out", Part{}, bytes.NewReader(compressed(t, "none", plain))); err != nil {
				t.Fatal(err)
			}
			if got := s.files(); !slices.Equal(got, []string{"out.json", "out.nar"}) {
				t.Errorf("got the files %q", got)
			}
			if err := s.Remove(build); err != nil || len(s.files()) > 0 {
				t.Errorf("%v: it leaves %q", err, s.files())
			}
			if _, _, err := s.Open(build, "out"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v for what was removed", err)
			}
		})
	}
}

func TestWhatIsWrongIsNotKept(t *testing.T) {
	plain := archive(t, 1000)
	lz, zst := compressed(t, "lzip", plain), compressed(t, "zstd", plain)
	flip := func(data []byte, at int) []byte {
		data = slices.Clone(data)
		data[at] ^= 1
		return data
	}
	for name, tt := range map[string]struct {
		body []byte
		hash string
		code daemon.Code
	}{
		"nothing":              {nil, "", daemon.Invalid},
		"something else":       {[]byte("this is not an archive at all"), "", daemon.Invalid},
		"another hash":         {lz, hashOf([]byte("another")), daemon.Invalid},
		"a bit of lzip":        {flip(lz, 500), "", daemon.Invalid},
		"a bit of zstd":        {flip(zst, 500), hashOf(plain), daemon.Invalid},
		"a bit of a NAR":       {flip(plain, 100), hashOf(plain), daemon.Invalid},
		"an end of lzip":       {lz[:len(lz)-1], "", daemon.Invalid},
		"an end of zstd":       {zst[:len(zst)-1], "", daemon.Invalid},
		"an end of a NAR":      {plain[:len(plain)-8], "", daemon.Invalid},
		"more than lzip":       {append(slices.Clone(lz), "more"...), "", daemon.Invalid},
		"more than a NAR":      {append(slices.Clone(plain), 0), "", daemon.Invalid},
		"more in lzip":         {compressed(t, "lzip", append(slices.Clone(plain), 0)), "", daemon.Invalid},
		"lzip, but not of one": {compressed(t, "lzip", []byte("text")), "", daemon.Invalid},
		"too much":             {archive(t, limit), "", daemon.TooLarge},
		"too much when plain":  {compressed(t, "zstd", archiveOf(t, make([]byte, limit))), "", daemon.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if _, err := s.Save(build, "out", Part{Hash: tt.hash}, bytes.NewReader(tt.body)); daemon.CodeOf(err) != tt.code {
				t.Errorf("got %v, want the code %q", err, tt.code)
			}
			if _, err := s.Meta(build, "out"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is there: %v", err)
			}
			if err := s.DropPartial(build); err != nil || len(s.files()) > 0 {
				t.Errorf("%v: it leaves %q", err, s.files())
			}
		})
	}
}

func TestAnUploadGoesOnWhereItBroke(t *testing.T) {
	plain := archive(t, 100_000)
	for _, format := range []string{"lzip", "zstd", "none"} {
		t.Run(format, func(t *testing.T) {
			s, data := newStore(t), compressed(t, format, plain)
			if _, err := s.Partial(build, "out"); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v before anything came", err)
			}
			broken := io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if _, err := s.Save(build, "out", Part{}, broken); err == nil {
				t.Fatal("a broken upload was taken")
			}
			for at := 1000; at < len(data); at += 30_000 {
				if size, err := s.Partial(build, "out"); err != nil || size != int64(at) {
					t.Fatalf("got %d bytes, %v, want %d", size, err, at)
				}
				if _, err := s.Save(build, "out", Part{Resume: true, Offset: 7}, strings.NewReader("x")); daemon.CodeOf(err) != daemon.Conflict {
					t.Fatalf("a part that does not fit: got %v", err)
				}
				end := min(len(data), at+30_000)
				body := io.Reader(bytes.NewReader(data[at:end]))
				if end < len(data) {
					body = io.MultiReader(body, iotest.ErrReader(io.ErrUnexpectedEOF))
				}
				m, err := s.Save(build, "out", Part{Resume: true, Offset: -1, Hash: hashOf(plain)}, body)
				if whole := end == len(data); (err == nil) != whole || whole && m.Hash != hashOf(plain) {
					t.Fatalf("up to %d of %d: got %+v, %v", end, len(data), m, err)
				}
			}
			// The last answer was lost.
			size, err := s.Partial(build, "out")
			if err != nil || size != int64(len(data)) {
				t.Errorf("got %d bytes, %v, want the whole", size, err)
			}
			if _, err := s.Save(build, "out", Part{Resume: true, Offset: size, Hash: hashOf(plain)}, strings.NewReader("")); err != nil {
				t.Error(err)
			}
			if _, err := s.Save(build, "out", Part{Resume: true, Offset: size}, strings.NewReader("x")); daemon.CodeOf(err) != daemon.Conflict {
				t.Errorf("more than the whole: got %v", err)
			}
		})
	}
}

// TestANewUploadTakesThePlaceOfADeadOne has an upload whose sender is gone
// without the connection's having ended.
func TestANewUploadTakesThePlaceOfADeadOne(t *testing.T) {
	plain := archive(t, 100_000)
	for name, takeOver := range map[string]func(*Store) (Part, int64, error){
		"anew": func(*Store) (Part, int64, error) { return Part{}, 0, nil },
		"resumed": func(s *Store) (Part, int64, error) {
			size, err := s.Partial(build, "out")
			return Part{Resume: true, Offset: size}, size, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			dead, hangs := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				_, err := s.Save(build, "out", Part{}, dead)
				dead.Close() // ends the writes to it
				ended <- err
			}()
			hangs.Write(plain[:5000])
			hangs.Write(plain[5000:5001]) // now the first write is in the file
			p, offset, err := takeOver(s)
			if err != nil || p.Resume && offset < 5000 {
				t.Fatalf("got %d bytes, %v, want those that came", offset, err)
			}
			if _, err := s.Save(build, "out", p, bytes.NewReader(plain[offset:])); err != nil {
				t.Fatal(err)
			}
			hangs.Write([]byte("bytes that come late"))
			hangs.Close()
			if err := <-ended; daemon.CodeOf(err) != daemon.Conflict {
				t.Errorf("the dead upload: got %v, want a conflict", err)
			}
			if m, err := s.Meta(build, "out"); err != nil || m.Hash != hashOf(plain) || len(s.files()) != 2 || len(s.uploads) != 0 {
				t.Errorf("got %+v, %v, the files %q and %d uploads", m, err, s.files(), len(s.uploads))
			}
		})
	}
}

func FuzzSave(f *testing.F) {
	plain := archive(f, 300)
	for _, format := range []string{"lzip", "zstd", "none"} {
		f.Add(compressed(f, format, plain), 100)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		s := newStore(t)
		whole, err := s.Save(build, "whole", Part{}, bytes.NewReader(data))
		if cut < 0 || cut > len(data) {
			return
		}
		// In two parts it is the same.
		s.Save(build, "parts", Part{}, io.MultiReader(bytes.NewReader(data[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		parts, e := s.Save(build, "parts", Part{Resume: true, Offset: -1}, bytes.NewReader(data[cut:]))
		if (err == nil) != (e == nil) || err == nil && (parts.Hash != whole.Hash || parts.FileSize != whole.FileSize) {
			t.Errorf("whole: %+v, %v; in parts: %+v, %v", whole, err, parts, e)
		}
	})
}
