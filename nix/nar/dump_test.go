package nar

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDump(t *testing.T) {
	for _, test := range archives {
		t.Run(test.name, func(t *testing.T) {
			root := onDisk(t, test.files)
			var got bytes.Buffer
			if err := Dump(&got, root); err != nil {
				t.Fatal(err)
			}
			want := encode(test.words...)
			if !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("got %d bytes, want %d, or others", got.Len(), len(want))
			}
			sum, size, err := Hash(root)
			if err != nil {
				t.Fatal(err)
			}
			if sum != sha256.Sum256(want) || size != int64(len(want)) {
				t.Fatalf("hash %x of %d bytes", sum, size)
			}
		})
	}
}

// The independent implementation that everybody's hashes come from.
func TestDumpAsNixStoreDoes(t *testing.T) {
	nixStore, err := exec.LookPath("nix-store")
	if err != nil {
		why := "nix-store is not installed (Debian: apt-get install nix-bin), so there is nothing to compare with"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	trees := []string{"."} // this directory, as it is
	for _, test := range archives {
		trees = append(trees, onDisk(t, test.files))
	}
	for _, root := range trees {
		cmd := exec.Command(nixStore, "--dump", root)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "NIX_REMOTE=", "HOME="+t.TempDir())
		want, err := cmd.Output()
		if err != nil {
			t.Fatalf("nix-store --dump %s: %v", root, err)
		}
		var got bytes.Buffer
		if err := Dump(&got, root); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes, nix-store has %d, or others", root, got.Len(), len(want))
		}
	}
}

func TestDumpRefuses(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"nothing", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"a pipe", pipe, "not a regular file"},
		{"a directory with a pipe in it", filepath.Dir(pipe), "not a regular file"},
		{"a file that has more bytes than its size", "/proc/self/status", "grew"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Dump(&bytes.Buffer{}, test.path)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

// copyFrom sees files that are not of the size in the header, at sizes around
// those of its buffer.
func TestDumpSeesSizesChange(t *testing.T) {
	for _, size := range []int{0, 1, 100, bufferSize / 2, bufferSize - 104, bufferSize - 1, bufferSize, bufferSize + 1, 3 * bufferSize} {
		for _, change := range []int{-1, 0, 1, 5000} {
			if size+change < 0 {
				continue
			}
			w := NewWriter(&bytes.Buffer{})
			if err := w.WriteHeader(&Header{Type: Regular, Size: int64(size)}); err != nil {
				t.Fatal(err)
			}
			err := w.copyFrom(strings.NewReader(strings.Repeat("x", size+change)))
			switch {
			case change < 0 && err != errShrunk, change > 0 && err != errGrown, change == 0 && err != nil:
				t.Errorf("%d bytes that become %d: got %v", size, size+change, err)
			}
			if change == 0 {
				if err := w.Close(); err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
			}
		}
	}
}
