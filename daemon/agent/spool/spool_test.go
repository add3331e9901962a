package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

const (
	build = "7bdd2249-1214-431a-aa61-de4d907f1b32"
	other = "0164a586-320d-4e54-be12-21e5313d1cd3"
)

var allocation = daemon.Allocation{UUID: build, Derivation: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello.drv", KeepOutput: true}

func open(t *testing.T, dir string) *Spool {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func enter(t *testing.T, s *Spool, b daemon.Allocation) *Entry {
	t.Helper()
	e, err := s.Make(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatWasSavedIsThereAfterAKill(t *testing.T) {
	for name, save := range map[string]func(*Entry) error{"saved": (*Entry).Save, "noted": (*Entry).Note} {
		t.Run(name, func(t *testing.T) { savedIsThere(t, save) })
	}
}

func savedIsThere(t *testing.T, save func(*Entry) error) {
	dir := filepath.Join(t.TempDir(), "spool")
	e := enter(t, open(t, dir), allocation)
	e.Outputs, e.Fresh = []daemon.Output{{Name: "out", Path: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello"}}, true
	e.Result = &daemon.Result{Success: true, Ended: time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC), Outputs: e.Outputs}
	if err := save(e); err != nil {
		t.Fatal(err)
	}
	want := e.Record
	enter(t, open(t, dir), daemon.Allocation{UUID: other}) // nothing was saved of it
	// Others' files stay.
	if err := os.WriteFile(filepath.Join(dir, "enrolment.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	entries, err := open(t, dir).Entries()
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %d entries, %v, want one", len(entries), err)
	}
	if diff := cmp.Diff(want, entries[0].Record); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, enter(t, open(t, dir), allocation).Record); diff != "" {
		t.Errorf("the record, when the build is ours (-want +got):\n%s", diff)
	}
	if err := entries[0].Remove(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "enrolment.json" {
		t.Errorf("it leaves %v", left)
	}
}

func TestARecordThatMakesNoSenseIsNone(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{", "another build's": `{"Build":{"UUID":"` + other + `"},"Fresh":true}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := enter(t, open(t, dir), allocation)
			if err := os.WriteFile(e.File("record"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if again := enter(t, open(t, dir), allocation); again.Fresh || !cmp.Equal(again.Build, allocation) {
				t.Errorf("got %+v", again.Record)
			}
			if entries, err := open(t, dir).Entries(); err != nil || len(entries) != 0 {
				t.Errorf("got %d entries, %v, want none", len(entries), err)
			}
		})
	}
}

func TestBuildsOfStrangeNamesAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", ".", "..", "../" + build, build + "/..", "x"} {
		if _, err := open(t, dir).Make(daemon.Allocation{UUID: name}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestRootsGoAndComeBack(t *testing.T) {
	e := enter(t, open(t, t.TempDir()), allocation)
	o := daemon.Output{Name: "out", Path: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello"}
	for range 2 {
		for range 2 { // it may be there already
			file, err := e.Root(o)
			if err != nil {
				t.Fatal(err)
			}
			if target, err := os.Readlink(file); err != nil || target != string(o.Path) {
				t.Errorf("got a link to %q, %v", target, err)
			}
		}
		if err := e.DropRoots(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(e.File("*")); len(left) > 0 {
			t.Errorf("got %q, want no link", left)
		}
	}
}

func TestALogGrowsUpToItsLimit(t *testing.T) {
	e := enter(t, open(t, t.TempDir()), allocation)
	l, err := e.NewLog(10)
	if err != nil {
		t.Fatal(err)
	}
	_, _, changed := l.State()
	if n, err := l.Write([]byte("01234567")); n != 8 || err != nil || l.TooLarge() != nil {
		t.Fatalf("got %d, %v, %v", n, err, l.TooLarge())
	}
	<-changed
	var large *TooLarge
	if n, err := l.Write([]byte("89ab")); n != 2 || !errors.As(err, &large) || large.Limit != 10 || l.TooLarge() == nil {
		t.Errorf("got %d, %v, %v, want what fits and an error", n, err, l.TooLarge())
	}
	_, _, changed = l.State()
	l.End()
	<-changed
	if size, ended, _ := l.State(); size != 10 || !ended {
		t.Errorf("got %d, %v", size, ended)
	}
	l.Close()

	again, err := e.OldLog(20)
	if err != nil {
		t.Fatal(err)
	}
	again.Write([]byte("more"))
	text, err := io.ReadAll(again.Part(5, 9))
	if err != nil || string(text) != "56789more" {
		t.Errorf("got %q, %v", text, err)
	}
	again.Close()
	anew, err := e.NewLog(0)
	if err != nil {
		t.Fatal(err)
	}
	defer anew.Close()
	if size, _, _ := anew.State(); size != 0 {
		t.Errorf("a new log has %d bytes", size)
	}
}

// A kill in the middle must not leave a result without its log.
func TestTheRecordIsForgottenFirst(t *testing.T) {
	e := enter(t, open(t, t.TempDir()), allocation)
	if err := e.Save(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", logName, "out.nar.lz", "z"} {
		if err := os.WriteFile(e.File(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Add(e.File("")); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case event := <-w.Events:
			if !event.Has(fsnotify.Remove) {
				continue
			}
			if got := filepath.Base(event.Name); got != recordName {
				t.Errorf("%s is removed first, want the record", got)
			}
			return
		case err := <-w.Errors:
			t.Fatal(err)
		case <-time.After(30 * time.Second):
			t.Fatal("nobody tells what was removed")
		}
	}
}
