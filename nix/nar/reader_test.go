package nar

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readAll reads an archive to its end.
func readAll(r io.Reader) ([]file, error) {
	var files []file
	archive := NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		files = append(files, file{*h, string(content)})
	}
}

func TestReader(t *testing.T) {
	for _, test := range archives {
		t.Run(test.name, func(t *testing.T) {
			input := strings.NewReader(string(encode(test.words...)) + "what follows")
			got, err := readAll(input)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.files, got, cmp.AllowUnexported(file{})); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if rest, _ := io.ReadAll(input); string(rest) != "what follows" {
				t.Errorf("the reader left %q", rest)
			}
		})
	}
}

func TestReaderSkipsContent(t *testing.T) {
	for _, test := range archives {
		archive := NewReader(iotest.OneByteReader(bytes.NewReader(encode(test.words...))))
		var got []file
		for i := 0; ; i++ {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if i%2 == 0 { // some of it, all of it, or none
				archive.Read(make([]byte, 3))
			}
			got = append(got, file{*h, test.files[i].content})
		}
		if diff := cmp.Diff(test.files, got, cmp.AllowUnexported(file{})); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", test.name, diff)
		}
	}
}

// Every prefix of an archive is cut off, and none is taken for a whole one.
func TestReaderCutOff(t *testing.T) {
	for _, test := range archives {
		data := encode(test.words...)
		if len(data) > 10_000 {
			continue
		}
		for n := range len(data) {
			if _, err := readAll(bytes.NewReader(data[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s, %d bytes of it: got %v, want unexpected EOF", test.name, n, err)
			}
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	entry := func(name string, more ...string) []string {
		words := []string{"entry", "(", "name", name, "node", "(", "type", "regular", "contents", "", ")", ")"}
		return append(words, more...)
	}
	directory := func(words ...string) string {
		words = append([]string{magic, "(", "type", "directory"}, words...)
		return string(encode(append(words, ")")...))
	}
	nested := func(name string, levels int) string {
		words := []string{magic}
		for range levels {
			words = append(words, "(", "type", "directory", "entry", "(", "name", name, "node")
		}
		return string(encode(words...))
	}
	file := string(encode(magic, "(", "type", "regular", "contents"))
	for _, test := range []struct{ name, input, want string }{
		{"another magic word", string(encode("nix-archive-2", "(", "type")), "in place of"},
		{"an unknown type", string(encode(magic, "(", "type", "device", ")")), `"device" is not a type of file`},
		{"a long type", string(encode(magic, "(", "type", "directories")), "at most 9"},
		{"a file without contents", string(encode(magic, "(", "type", "regular", ")")), `")" in place of a file's contents`},
		{"a mark of executables that is not empty", string(encode(magic, "(", "type", "regular", "executable", "yes")), "in place of"},
		{"a negative size", file + "\xff\xff\xff\xff\xff\xff\xff\xff", "a file of 18446744073709551615 bytes"},
		{"padding that is not zero", file + "\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x00\x00\x00\x01", "padding"},
		{"padding of a name that is not zero", strings.Replace(directory(entry("abc")...), "abc\x00", "abc\x01", 1), "padding"},
		{"an empty name", directory(entry("")...), "empty name"},
		{"the name .", directory(entry(".")...), `called "."`},
		{"the name ..", directory(entry("..")...), `called ".."`},
		{"a name with a slash", directory(entry("a/b")...), "slash"},
		{"a name with a NUL", directory(entry("a\x00b")...), "NUL"},
		{"a long name", directory(entry(strings.Repeat("n", 256))...), "at most 255"},
		{"a huge name", string(encode(magic, "(", "type", "directory", "entry", "(", "name")) + "\xff\xff\xff\xff\xff\xff\xff\x7f", "at most 255"},
		{"a name twice", directory(entry("a", entry("a")...)...), "comes after"},
		{"names in another order", directory(entry("b", entry("a")...)...), "comes after"},
		{"names in another order after a directory", directory(append(
			[]string{"entry", "(", "name", "b", "node", "(", "type", "directory", "entry", "(", "name", "c", "node", "(", "type", "directory", ")", ")", ")", ")"},
			entry("a")...)...), "comes after"},
		{"an empty target", string(encode(magic, "(", "type", "symlink", "target", "", ")")), "empty target"},
		{"a target with a NUL", string(encode(magic, "(", "type", "symlink", "target", "a\x00", ")")), "NUL"},
		{"a long target", string(encode(magic, "(", "type", "symlink", "target", strings.Repeat("t", 4096), ")")), "at most 4095"},
		{"deep directories", nested("d", 3000), "a path is longer"},
		{"a long path", nested(strings.Repeat("d", 255), 17), "a path is longer"},
		{"a node that does not end", string(encode(magic, "(", "type", "regular", "contents", "", "entry")), "in place of"},
		{"a directory with something else in it", directory("node"), `"node" in place of an entry`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(test.input))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

func TestReaderKeepsItsError(t *testing.T) {
	broken := errors.New("broken")
	start := bytes.NewReader(encode(magic, "(", "type", "regular", "contents", "123456789")[:100])
	archive := NewReader(io.MultiReader(start, iotest.ErrReader(broken), strings.NewReader("more")))
	if _, err := archive.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Next(); !errors.Is(err, broken) {
		t.Fatalf("first: %v", err)
	}
	if _, err := archive.Next(); !errors.Is(err, broken) {
		t.Fatalf("then: %v", err)
	}
	if _, err := archive.Read(make([]byte, 1)); !errors.Is(err, broken) {
		t.Fatalf("reading: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, test := range archives {
		if data := encode(test.words...); len(data) < 10_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		input := bytes.NewReader(data)
		files, err := readAll(input)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeAll(&out, files); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if !bytes.Equal(out.Bytes(), data[:len(data)-input.Len()]) {
			t.Fatal("what was read is written otherwise")
		}
	})
}
