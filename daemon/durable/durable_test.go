package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// list is a directory's content: names, with what the files hold.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := make(map[string]string)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !e.IsDir() {
			t.Fatal(err)
		}
		content[e.Name()] = string(data)
	}
	return content
}

// write begins a file with some text.
func write(t *testing.T, name, text string) *File {
	t.Helper()
	f, err := Create(name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFileAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	f := write(t, name, "new")
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before Commit: got %v, want no file", err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"file": "new"}, list(t, dir)); diff != "" {
		t.Fatalf("after Commit (-want +got):\n%s", diff)
	}
	if err := f.Abort(); err != nil {
		t.Fatalf("Abort after Commit: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"file": "new"}, list(t, dir)); diff != "" {
		t.Fatalf("after Abort (-want +got):\n%s", diff)
	}
}

func TestAnOldFileStaysUntilTheNewOneIsWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f := write(t, name, "new, and longer")
	if got := list(t, dir)["file"]; got != "old" {
		t.Fatalf("before Commit: got %q", got)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"file": "new, and longer"}, list(t, dir)); diff != "" {
		t.Fatalf("after Commit (-want +got):\n%s", diff)
	}
	text := make([]byte, 100)
	if n, err := reader.Read(text); err != nil || string(text[:n]) != "old" {
		t.Fatalf("who had opened it before reads %q, %v", text[:n], err)
	}
}

func TestReplaceFileLeavesOneWholeFile(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"old", "new, and longer", ""} {
		if err := ReplaceFile(filepath.Join(dir, "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"file": text}, list(t, dir)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if err := ReplaceFile(filepath.Join(dir, "missing", "file"), nil, 0o600); err == nil {
		t.Error("got no error where there is no directory")
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	f := write(t, filepath.Join(dir, "file"), "half")
	for range 2 {
		if err := f.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, dir); len(got) != 0 {
		t.Fatalf("got %v, want nothing", got)
	}
}

func TestCommitAsChoosesAnotherName(t *testing.T) {
	dir := t.TempDir()
	f := write(t, filepath.Join(dir, "file"), "text")
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.CommitAs(filepath.Join(dir, "below", "name")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"name": "text"}, list(t, filepath.Join(dir, "below"))); diff != "" {
		t.Fatalf("below (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"below": ""}, list(t, dir)); diff != "" {
		t.Fatalf("above (-want +got):\n%s", diff)
	}
}

func TestModesAreThoseAskedForWhateverTheUmask(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o666, 0o400} {
		name := filepath.Join(t.TempDir(), "file")
		if err := WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("got %v, want %v", info.Mode(), mode)
		}
	}
}

func TestFailuresNameTheFileAndLeaveNothing(t *testing.T) {
	tests := []struct {
		name string
		do   func(dir string) error
	}{
		{"the directory is missing", func(dir string) error { return WriteFile(filepath.Join(dir, "missing", "file"), nil, 0o600) }},
		{"the name is a directory's", func(dir string) error {
			if err := os.MkdirAll(filepath.Join(dir, "file", "full"), 0o755); err != nil {
				return err
			}
			return WriteFile(filepath.Join(dir, "file"), nil, 0o600)
		}},
		{"the file was closed", func(dir string) error {
			f, err := Create(filepath.Join(dir, "file"), 0o600)
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			return f.Commit()
		}},
		{"the new name's directory is missing", func(dir string) error {
			f, err := Create(filepath.Join(dir, "file"), 0o600)
			if err != nil {
				return err
			}
			return f.CommitAs(filepath.Join(dir, "missing", "file"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.do(dir); err == nil || !strings.Contains(err.Error(), "file") {
				t.Fatalf("got %v, want an error that names the file", err)
			}
			for name := range list(t, dir) {
				if strings.HasPrefix(name, prefix) {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

func TestSweepRemovesWhatAKilledProgramLeft(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "half")
	write(t, filepath.Join(dir, "b"), "half")
	if err := WriteFile(filepath.Join(dir, "c"), []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".hidden"), []byte("another's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Sweep(dir); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"c": "whole", ".hidden": "another's"}, list(t, dir)); diff != "" {
		t.Fatalf("directory (-want +got):\n%s", diff)
	}
	if err := Sweep(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a directory that is missing: got %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(deep, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(deep); err != nil || !info.IsDir() || info.Mode().Perm()&^0o750 != 0 {
		t.Fatalf("got %v, %v", info, err)
	}
	t.Chdir(dir)
	if err := MkdirAll("x/y", 0o755); err != nil {
		t.Fatalf("a relative name: %v", err)
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "file/below"} {
		if err := MkdirAll(name, 0o755); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}
