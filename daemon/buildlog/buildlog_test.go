package buildlog

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/klauspost/compress/gzip"
)

const build = "7bdd2249-1214-431a-aa61-de4d907f1b32"

// hello is "hello\n" as bzip2 makes it: Go has no writer of that.
const hello = "BZh91AY&SY\xc1\xc0\x80\xe2\x00\x00\x01\x41\x00\x00\x10\x02\x44\xa0\x00\x30\xcd\x00\xc3\x46\x29\x97\x17\x72\x45\x38\x50\x90\xc1\xc0\x80\xe2"

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func openStore(t testing.TB, limit int64) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "build-logs"), limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text is what people read of a build's log, or "" and false.
func text(t testing.TB, s *Store, uuid string) (string, bool) {
	t.Helper()
	f, err := os.Open(s.File(uuid))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), true
}

// files are the names below the store's directory.
func files(t testing.TB, s *Store) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(s.dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, err = filepath.Rel(s.dir, name)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSaveKeeps(t *testing.T) {
	long := strings.Repeat("a line of a log\n", 20_000)
	tests := []struct {
		name, format, body, want string
	}{
		{"gzip data", "gzip", gzipped(t, "hello\n"), "hello\n"},
		{"long gzip data", "gzip", gzipped(t, long), long},
		{"gzip data of nothing", "gzip", gzipped(t, ""), ""},
		{"gzip data in several members", "gzip", gzipped(t, "hel") + gzipped(t, "") + gzipped(t, "lo\n"), "hello\n"},
		{"bzip2 data", "bzip2", hello, "hello\n"},
		{"bzip2 data in several streams", "bzip2", hello + hello, "hello\nhello\n"},
		{"plain text", "none", "hello\n", "hello\n"},
		{"long plain text", "none", long, long},
		{"nothing", "none", "", ""},
		{"any byte", "none", "a\x00b\xff\xfe\r\n\x1b[31m", "a\x00b\xff\xfe\r\n\x1b[31m"},
		{"any byte in gzip data", "gzip", gzipped(t, "\x00\x00\xff"), "\x00\x00\xff"},
	}
	for _, tt := range tests {
		for way, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r },
			"byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader} {
			t.Run(tt.name+" that comes "+way, func(t *testing.T) {
				s := openStore(t, 1<<20)
				if err := s.Save(build, tt.format, wrap(strings.NewReader(tt.body))); err != nil {
					t.Fatal(err)
				}
				if got, _ := text(t, s, build); got != tt.want {
					t.Fatalf("got %d bytes %.40q, want %d bytes %.40q", len(got), got, len(tt.want), tt.want)
				}
				if got := files(t, s); len(got) != 1 || got[0] != build+"/log.gz" {
					t.Fatalf("got the files %v, want the log alone", got)
				}
			})
		}
	}
}

func TestGzipDataIsKeptAsItIs(t *testing.T) {
	s := openStore(t, 1<<20)
	body := gzipped(t, "one") + gzipped(t, "two")
	if err := s.Save(build, "gzip", strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(s.File(build)); err != nil || string(got) != body {
		t.Fatalf("got %q, %v, want %q", got, err, body)
	}
}

// The post's nginx runs as another user.
func TestAnyoneMayReadLogs(t *testing.T) {
	s := openStore(t, 1<<20)
	if err := s.Save(build, "none", strings.NewReader("hello\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{s.File(build): 0o644, filepath.Dir(s.File(build)): 0o755 | fs.ModeDir} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	whole := gzipped(t, "hello, and something that is worth compressing, compressing, compressing\n")
	damaged := func(at int) string { return whole[:at] + string([]byte{whole[at] ^ 0x55}) + whole[at+1:] }
	tests := []struct {
		name, format, body string
		code               daemon.Code
	}{
		{"a format that it does not know", "lzip", "LZIP", daemon.Invalid},
		{"no format", "", whole, daemon.Invalid},
		{"a format in capitals", "GZIP", whole, daemon.Invalid},
		{"nothing as gzip", "gzip", "", daemon.Invalid},
		{"text as gzip", "gzip", "hello\n", daemon.Invalid},
		{"bzip2 data as gzip", "gzip", hello, daemon.Invalid},
		{"gzip data that ends in the header", "gzip", whole[:5], daemon.Invalid},
		{"gzip data that ends after the header", "gzip", whole[:10], daemon.Invalid},
		{"gzip data that ends in the middle", "gzip", whole[:len(whole)/2], daemon.Invalid},
		{"gzip data that ends before its size", "gzip", whole[:len(whole)-4], daemon.Invalid},
		{"gzip data with a damaged header", "gzip", damaged(0), daemon.Invalid},
		{"gzip data with a damaged block", "gzip", damaged(10), daemon.Invalid},
		{"gzip data with a damaged text", "gzip", damaged(len(whole) - 15), daemon.Invalid},
		{"gzip data with a damaged checksum", "gzip", damaged(len(whole) - 6), daemon.Invalid},
		{"gzip data with a damaged size", "gzip", damaged(len(whole) - 1), daemon.Invalid},
		{"gzip data with a tail", "gzip", whole + "tail", daemon.Invalid},
		{"gzip data with zeros behind it", "gzip", whole + "\x00\x00\x00\x00", daemon.Invalid},
		{"gzip data with half a member behind it", "gzip", whole + whole[:12], daemon.Invalid},
		{"a block type that deflate has not", "gzip", whole[:10] + "\x07\x00\x00", daemon.Invalid},
		{"nothing as bzip2", "bzip2", "", daemon.Invalid},
		{"text as bzip2", "bzip2", "hello\n", daemon.Invalid},
		{"gzip data as bzip2", "bzip2", whole, daemon.Invalid},
		{"bzip2 data that ends in the middle", "bzip2", hello[:20], daemon.Invalid},
		{"bzip2 data with a damaged checksum", "bzip2", hello[:12] + "x" + hello[13:], daemon.Invalid},
		{"bzip2 data with a tail", "bzip2", hello + "tail", daemon.Invalid},
	}
	for _, tt := range tests {
		for _, before := range []string{"", "an older log\n"} {
			t.Run(tt.name+", having "+before, func(t *testing.T) {
				s := openStore(t, 1<<20)
				if before != "" {
					if err := s.Save(build, "none", strings.NewReader(before)); err != nil {
						t.Fatal(err)
					}
				}
				err := s.Save(build, tt.format, strings.NewReader(tt.body))
				if got := daemon.CodeOf(err); got != tt.code {
					t.Fatalf("got the code %q of %v, want %q", got, err, tt.code)
				}
				checkUntouched(t, s, before)
			})
		}
	}
}

// checkUntouched checks that a failed Save left the log as it was, and
// nothing else.
func checkUntouched(t *testing.T, s *Store, before string) {
	t.Helper()
	if got, there := text(t, s, build); got != before || there != (before != "") {
		t.Fatalf("got the log %q, %v, want %q", got, there, before)
	}
	want := 1
	if before == "" {
		want = 0
	}
	if got := files(t, s); len(got) != want {
		t.Fatalf("got the files %v, want %d", got, want)
	}
}

func TestSaveReplacesALog(t *testing.T) {
	s := openStore(t, 1<<20)
	for _, want := range []string{"first\n", "second, and longer\n", ""} {
		if err := s.Save(build, "none", strings.NewReader(want)); err != nil {
			t.Fatal(err)
		}
		if got, _ := text(t, s, build); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if got := files(t, s); len(got) != 1 {
		t.Fatalf("got the files %v, want one", got)
	}
}

func TestOpenClearsWhatAKilledDaemonLeft(t *testing.T) {
	s := openStore(t, 1<<20)
	if err := s.Save(build, "none", strings.NewReader("hello\n")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, ".tmp-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, again); len(got) != 1 || got[0] != build+"/log.gz" {
		t.Fatalf("got the files %v, want the log alone", got)
	}
}

func TestOpenSaysWhatIsInItsWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, 1); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("got %v, want an error with the file's name", err)
	}
}

func TestALineThatBreaksIsNobodysFault(t *testing.T) {
	broken := errors.New("the line broke")
	for _, format := range Formats {
		s := openStore(t, 1<<20)
		body := map[string]string{"gzip": gzipped(t, "hello\n"), "bzip2": hello, "none": "hello\n"}[format]
		for _, n := range []int{0, 5, len(body)} {
			err := s.Save(build, format, io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) || daemon.CodeOf(err) != "" {
				t.Errorf("%s, after %d bytes: got %v, want the error of the line", format, n, err)
			}
			checkUntouched(t, s, "")
		}
	}
}
