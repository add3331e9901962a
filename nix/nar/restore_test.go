package nar

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRestore(t *testing.T) {
	for _, test := range archives {
		t.Run(test.name, func(t *testing.T) {
			want := encode(test.words...)
			dst := filepath.Join(t.TempDir(), "item")
			if err := Restore(dst, bytes.NewReader(want)); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Dump(&got, dst); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("it dumps to %d bytes, want %d, or others", got.Len(), len(want))
			}
		})
	}
}

func TestRestoreStaysInside(t *testing.T) {
	outside := t.TempDir()
	// A symlink and a directory of one name, and an entry inside: were
	// both let through, the entry would be written through the symlink.
	words := []string{
		magic, "(", "type", "directory",
		"entry", "(", "name", "a", "node", "(", "type", "symlink", "target", outside, ")", ")",
		"entry", "(", "name", "a", "node", "(", "type", "directory",
		"entry", "(", "name", "b", "node", "(", "type", "regular", "contents", "", ")", ")",
		")", ")", ")",
	}
	dst := filepath.Join(t.TempDir(), "item")
	if err := Restore(dst, bytes.NewReader(encode(words...))); err == nil {
		t.Error("restored it")
	}
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("wrote outside: %v", entries)
	}
}

func TestRestoreLeavesWhatWasThere(t *testing.T) {
	for _, test := range archives {
		dst := filepath.Join(t.TempDir(), "item")
		if err := os.WriteFile(dst, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Restore(dst, bytes.NewReader(encode(test.words...))); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v", test.name, err)
		}
		if got, _ := os.ReadFile(dst); string(got) != "mine" {
			t.Errorf("%s: it is %q now", test.name, got)
		}
	}
}

func TestRestoreCleansUp(t *testing.T) {
	for _, test := range archives {
		data := encode(test.words...)
		dst := filepath.Join(t.TempDir(), "item")
		err := Restore(dst, bytes.NewReader(data[:len(data)-1]))
		if err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("%s: got %v", test.name, err)
		}
		if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something is left: %v", test.name, err)
		}
	}
}
