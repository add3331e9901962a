// In GOPATH mode test programs have the defaults of an old Go, which has no
// synctest.
//
//go:debug default=go1.25

package buildlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A chunk is what an agent sends.
type chunk struct {
	offset int64
	text   string
	size   int64 // that is there afterwards
	code   daemon.Code
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name   string
		chunks []chunk
		want   string
	}{
		{"chunks in order", []chunk{{0, "one ", 4, ""}, {4, "two", 7, ""}}, "one two"},
		{"a chunk twice", []chunk{{0, "one ", 4, ""}, {0, "one ", 4, ""}, {4, "two", 7, ""}}, "one two"},
		{"chunks that overlap", []chunk{{0, "one t", 5, ""}, {4, "two", 7, ""}, {2, "e ", 7, ""}}, "one two"},
		{"a chunk is missing", []chunk{{0, "one ", 4, ""}, {5, "wo", 4, daemon.Conflict}, {4, "two", 7, ""}}, "one two"},
		{"a beginning is missing", []chunk{{3, "two", 0, daemon.Conflict}, {0, "one", 3, ""}}, "one"},
		{"a negative offset", []chunk{{-1, "xone", 0, daemon.Conflict}, {0, "one", 3, ""}}, "one"},
		{"bytes of every kind", []chunk{{0, "\x00\xff", 2, ""}, {2, "\r\n\x00", 5, ""}}, "\x00\xff\r\n\x00"},
		{"nothing", []chunk{{0, "", 0, ""}}, ""},
		{"as much as is allowed", []chunk{{0, "0123456789", 10, ""}, {10, "", 10, ""}}, "0123456789"},
		{"too much", []chunk{{0, "012345678", 9, ""}, {9, "9!", 9, daemon.TooLarge}}, "012345678"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, 10)
			for _, c := range tt.chunks {
				if size, err := s.Append(build, c.offset, []byte(c.text)); size != c.size || daemon.CodeOf(err) != c.code || (err != nil) != (c.code != "") {
					t.Errorf("append %q at %d: got %d and %v, want %d and the code %q", c.text, c.offset, size, err, c.size, c.code)
				}
			}
			// Another daemon finds what this one left.
			s, err := Open(s.dir, 10)
			must(t, err)
			if size, ok := s.Live(build); !ok || size != int64(len(tt.want)) {
				t.Errorf("after a restart: got %d bytes under way, %v, want %d", size, ok, len(tt.want))
			}
			must(t, s.Finish(build, int64(len(tt.want))))
			must(t, s.Finish(build, int64(len(tt.want)))) // the answer was lost
			if got, _ := text(t, s, build); got != tt.want {
				t.Errorf("got the log %q, want %q", got, tt.want)
			}
			if got := files(t, s); len(got) != 1 || len(s.live) != 0 {
				t.Errorf("it leaves %q and %d logs in memory", got, len(s.live))
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFinish(t *testing.T) {
	add := func(s *Store, text string) error { _, err := s.Append(build, 0, []byte(text)); return err }
	tests := []struct {
		name   string
		before func(*Store) error
		size   int64
		want   string
		code   daemon.Code
	}{
		{"a log of nothing", func(s *Store) error { return nil }, 0, "", ""},
		{"a log of which nothing arrived", func(s *Store) error { return nil }, 3, "", daemon.Conflict},
		{"a log of which a part arrived", func(s *Store) error { return add(s, "on") }, 3, "", daemon.Conflict},
		{"in place of an older log", func(s *Store) error {
			return errors.Join(s.Save(build, "none", bytes.NewReader([]byte("old"))), add(s, "one"))
		}, 3, "one", ""},
		{"a log of nothing in place of an older log", func(s *Store) error {
			return s.Save(build, "none", bytes.NewReader([]byte("old")))
		}, 0, "", ""},
		{"after the build began anew", func(s *Store) error {
			return errors.Join(add(s, "old text"), s.Restart(build), add(s, "one"))
		}, 3, "one", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, 10)
			must(t, tt.before(s))
			if err := s.Finish(build, tt.size); daemon.CodeOf(err) != tt.code {
				t.Fatalf("got %v, want the code %q", err, tt.code)
			}
			if got, there := text(t, s, build); got != tt.want || there != (tt.code == "") {
				t.Errorf("got the log %q, %v, want %q", got, there, tt.want)
			}
			if _, live := s.Live(build); tt.code == "" && live {
				t.Error("the log is under way still")
			}
		})
	}
}

func TestEndKeepsWhatThereIs(t *testing.T) {
	for _, tt := range []struct{ name, finished, live, want string }{
		{"a part of a log", "", "one", "one"},
		{"a part of a log after another attempt's", "old", "one", "one"},
		{"a longer one after another attempt's", "one", "one two", "one two"},
		{"a chunk that came twice, late", "one two", "one", "one two"},
		{"nothing that came late", "one two", "", "one two"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, 10)
			if tt.finished != "" {
				must(t, s.Save(build, "none", strings.NewReader(tt.finished)))
			}
			_, err := s.Append(build, 0, []byte(tt.live))
			must(t, err)
			must(t, s.End(build))
			must(t, s.End(build))
			if got, _ := text(t, s, build); got != tt.want || len(files(t, s)) != 1 {
				t.Errorf("got the log %q in %q, want %q", got, files(t, s), tt.want)
			}
		})
	}
}

// followed is what one reads who follows a log, and how it ended.
func followed(ctx context.Context, s *Store) (string, error) {
	r, err := s.Follow(ctx, build)
	if err != nil {
		return "", err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	return string(got), err
}

func TestFollowers(t *testing.T) {
	ends := map[string]struct {
		end  func(*Store) error
		want error
	}{
		"finished":       {func(s *Store) error { return s.Finish(build, 7) }, nil},
		"ended":          {func(s *Store) error { return s.End(build) }, nil},
		"begun anew":     {func(s *Store) error { return s.Restart(build) }, nil},
		"sent whole":     {func(s *Store) error { return s.Save(build, "none", bytes.NewReader([]byte("one two"))) }, nil},
		"removed":        {func(s *Store) error { return s.Remove(build) }, nil},
		"not waited for": {nil, context.Canceled},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openStore(t, 100)
				if _, err := followed(t.Context(), s); !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("before it begins: got %v", err)
				}
				_, err := s.Append(build, 0, []byte("one "))
				must(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var readers sync.WaitGroup
				for range 5 {
					readers.Go(func() {
						if got, err := followed(ctx, s); got != "one two" || !errors.Is(err, tt.want) {
							t.Errorf("got %q and %v, want the whole and %v", got, err, tt.want)
						}
					})
				}
				synctest.Wait()
				_, err = s.Append(build, 4, []byte("two"))
				must(t, err)
				synctest.Wait() // all wait for more
				if tt.end == nil {
					cancel()
				} else {
					must(t, tt.end(s))
				}
				readers.Wait()
				if len(s.live) != 0 {
					t.Errorf("%d logs stay in memory", len(s.live))
				}
			})
		})
	}
}

// TestLiveTogether has writers repeat each other, readers follow, and builds
// begin anew at the same time: each reader sees a beginning of the text, and
// the log is the text.
func TestLiveTogether(t *testing.T) {
	want := make([]byte, 200_000)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	s := openStore(t, 1<<20)
	var writers, readers sync.WaitGroup
	_, err := s.Append(build, 0, nil)
	must(t, err)
	for range 3 {
		writers.Go(func() {
			for at := int64(0); at < int64(len(want)); {
				from := max(0, at-rand.Int64N(100))
				size, err := s.Append(build, from, want[from:min(int64(len(want)), from+rand.Int64N(5000))])
				if err != nil && daemon.CodeOf(err) != daemon.Conflict {
					t.Error(err)
				}
				at = size
			}
		})
		readers.Go(func() {
			for {
				got, err := followed(t.Context(), s)
				if errors.Is(err, fs.ErrNotExist) {
					if s.has(build) {
						return
					}
					continue
				}
				if err != nil || !bytes.HasPrefix(want, []byte(got)) {
					t.Errorf("got %d bytes that are not a beginning of the log, and %v", len(got), err)
				}
			}
		})
	}
	for range 20 {
		must(t, s.Restart(build))
	}
	writers.Wait()
	size, _ := s.Live(build)
	for at := size; at < int64(len(want)); {
		at, err = s.Append(build, at, want[at:])
		must(t, err)
	}
	must(t, s.Finish(build, int64(len(want))))
	readers.Wait()
	if got, _ := text(t, s, build); got != string(want) {
		t.Error("the log is not what was written")
	}
}

func TestLogsUnderWayNeedNoMemory(t *testing.T) {
	s := openStore(t, 100)
	for _, uuid := range []string{"a", "b", "c"} {
		_, err := s.Append(uuid, 0, []byte("text"))
		must(t, err)
	}
	if len(s.live) != 0 {
		t.Errorf("%d logs are in memory though nobody uses them", len(s.live))
	}
	if _, err := os.Stat(filepath.Join(s.dir, "a", LiveName)); err != nil {
		t.Error(err)
	}
}

// Who keeps a log in memory learns of whatever makes it another one.
func TestEveryChangeOfALogIsCounted(t *testing.T) {
	s := openStore(t, 100)
	count := s.Changes()
	for _, step := range []struct {
		what    string
		do      func() error
		changes bool
	}{
		{"Save", func() error { return s.Save(build, "none", strings.NewReader("old")) }, true},
		{"Append, the first", func() error { _, err := s.Append(build, 0, []byte("new")); return err }, true},
		{"Append, one more", func() error { _, err := s.Append(build, 3, []byte("er")); return err }, false},
		{"Finish", func() error { return s.Finish(build, 5) }, true},
		{"Finish, once more", func() error { return s.Finish(build, 5) }, false},
		{"Append, another attempt", func() error { _, err := s.Append(build, 0, []byte("x")); return err }, true},
		{"Restart", func() error { return s.Restart(build) }, true},
		{"Restart of nothing", func() error { return s.Restart(build) }, false},
		{"Append, the last attempt", func() error { _, err := s.Append(build, 0, []byte("y")); return err }, true},
		{"End", func() error { return s.End(build) }, true},
		{"Remove", func() error { return s.Remove(build) }, true},
	} {
		must(t, step.do())
		now := s.Changes()
		if changed := now != count; changed != step.changes {
			t.Errorf("%s: counted is %v, want %v", step.what, changed, step.changes)
		}
		count = now
	}
}
