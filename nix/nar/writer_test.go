package nar

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func writeAll(dst io.Writer, files []file) error {
	w := NewWriter(dst)
	for _, f := range files {
		if err := w.WriteHeader(&f.Header); err != nil {
			return err
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			return err
		}
	}
	return w.Close()
}

func TestWriter(t *testing.T) {
	for _, test := range archives {
		t.Run(test.name, func(t *testing.T) {
			var got bytes.Buffer
			if err := writeAll(&got, test.files); err != nil {
				t.Fatal(err)
			}
			if want := encode(test.words...); !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("got %d bytes, want %d, or others", got.Len(), len(want))
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	short := regular("a", "abc")
	short.content = "ab"
	long := regular("a", "abc")
	long.content = "abcd"
	negative := regular("a", "")
	negative.Size = -1
	for _, test := range []struct {
		name  string
		files []file
		want  string
	}{
		{"nothing", nil, "there is no root"},
		{"an entry before the root", []file{regular("a", "")}, "not open"},
		{"two roots", []file{dir(""), dir("")}, "one root"},
		{"an entry of a file", []file{regular("", ""), regular("a", "")}, "not open"},
		{"an entry of a symlink", []file{dir(""), link("a", "b"), regular("a/b", "")}, "not open"},
		{"an entry of a closed directory", []file{dir(""), dir("a"), dir("b"), dir("a/c")}, "not open"},
		{"the same name twice", []file{dir(""), regular("a", ""), dir("a")}, "comes after"},
		{"another order", []file{dir(""), regular("b", ""), regular("a", "")}, "comes after"},
		{"another order after a directory", []file{dir(""), dir("b"), dir("b/c"), regular("a", "")}, "comes after"},
		{"an absolute path", []file{dir(""), regular("/a", "")}, "not relative"},
		{"two slashes", []file{dir(""), dir("a"), regular("a//b", "")}, "not open"},
		{"a slash at the end", []file{dir(""), dir("a/")}, "empty name"},
		{"two dots", []file{dir(""), dir("..")}, `called ".."`},
		{"a long path", []file{dir(""), dir(strings.Repeat("a/", 2048) + "b")}, "longer"},
		{"an empty target", []file{dir(""), link("a", "")}, "empty target"},
		{"no type", []file{{}}, "Type(0)"},
		{"a negative size", []file{dir(""), negative}, "-1 bytes"},
		{"too little content", []file{dir(""), short}, "lacks 1"},
		{"too little content before another file", []file{dir(""), short, dir("b")}, "lacks 1"},
		{"too much content", []file{dir(""), long}, "more content"},
		{"content of a symlink", []file{{link("", "a").Header, "b"}}, "more content"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := writeAll(io.Discard, test.files)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

type fullDisk struct{ left int }

var errFull = errors.New("no space")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return d.left, errFull
	}
	d.left -= len(p)
	return len(p), nil
}

func TestWriterKeepsItsError(t *testing.T) {
	for _, test := range archives {
		err := writeAll(&fullDisk{left: len(encode(test.words...)) - 1}, test.files)
		if !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	w := NewWriter(&fullDisk{})
	w.WriteHeader(&Header{Type: Directory})
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("close: %v", err)
	}
	if err := w.WriteHeader(&Header{Path: "a", Type: Directory}); !errors.Is(err, errFull) {
		t.Errorf("header after an error: %v", err)
	}
}
