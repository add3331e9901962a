package nar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file is an entry of an archive in the table below.
type file struct {
	Header
	content string
}

func dir(path string) file { return file{Header: Header{Path: path, Type: Directory}} }

func link(path, target string) file {
	return file{Header: Header{Path: path, Type: Symlink, Target: target}}
}

func regular(path, content string) file {
	return file{Header{Path: path, Type: Regular, Size: int64(len(content))}, content}
}

func executable(path, content string) file {
	f := regular(path, content)
	f.Executable = true
	return f
}

// archives is read, written, dumped, restored and given to nix-store. The
// words stand for the archive's bytes: each is a string of it.
var archives = []struct {
	name  string
	files []file
	words []string
}{
	{
		"an empty file",
		[]file{regular("", "")},
		[]string{magic, "(", "type", "regular", "contents", "", ")"},
	},
	{
		"a file whose length is a multiple of eight",
		[]file{regular("", "12345678")},
		[]string{magic, "(", "type", "regular", "contents", "12345678", ")"},
	},
	{
		"an executable file",
		[]file{executable("", "#!/bin/sh\n")},
		[]string{magic, "(", "type", "regular", "executable", "", "contents", "#!/bin/sh\n", ")"},
	},
	{
		"a symlink",
		[]file{link("", "../some where/else")},
		[]string{magic, "(", "type", "symlink", "target", "../some where/else", ")"},
	},
	{
		"an empty directory",
		[]file{dir("")},
		[]string{magic, "(", "type", "directory", ")"},
	},
	{
		"a directory of all kinds",
		[]file{
			dir(""),
			dir("dir"),
			regular("dir/empty", ""),
			executable("dir/run", "x"),
			regular("file", "hello\n"),
			link("link", "dir/run"),
		},
		[]string{
			magic, "(", "type", "directory",
			"entry", "(", "name", "dir", "node", "(", "type", "directory",
			"entry", "(", "name", "empty", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "run", "node", "(", "type", "regular", "executable", "", "contents", "x", ")", ")",
			")", ")",
			"entry", "(", "name", "file", "node", "(", "type", "regular", "contents", "hello\n", ")", ")",
			"entry", "(", "name", "link", "node", "(", "type", "symlink", "target", "dir/run", ")", ")",
			")",
		},
	},
	{
		// A comparison of whole paths, or of names by a locale, gives
		// other orders: '.' and '-' sort before '/', capitals before
		// small letters, UTF-8 after ASCII.
		"names in the order of their bytes",
		[]file{
			dir(""),
			regular("B", ""),
			dir("a"),
			regular("a/z", ""),
			regular("a-b", ""),
			regular("a.b", ""),
			regular("b", ""),
			regular("é", ""),
			regular("\xff", ""),
		},
		[]string{
			magic, "(", "type", "directory",
			"entry", "(", "name", "B", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "a", "node", "(", "type", "directory",
			"entry", "(", "name", "z", "node", "(", "type", "regular", "contents", "", ")", ")",
			")", ")",
			"entry", "(", "name", "a-b", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "a.b", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "b", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "é", "node", "(", "type", "regular", "contents", "", ")", ")",
			"entry", "(", "name", "\xff", "node", "(", "type", "regular", "contents", "", ")", ")",
			")",
		},
	},
	{
		// Leaving several directories at once, and a file after them.
		"directories in directories",
		[]file{
			dir(""),
			dir("a"),
			dir("a/b"),
			dir("a/b/c"),
			regular("a/b/c/d", "1"),
			dir("e"),
			regular("f", "2"),
		},
		[]string{
			magic, "(", "type", "directory",
			"entry", "(", "name", "a", "node", "(", "type", "directory",
			"entry", "(", "name", "b", "node", "(", "type", "directory",
			"entry", "(", "name", "c", "node", "(", "type", "directory",
			"entry", "(", "name", "d", "node", "(", "type", "regular", "contents", "1", ")", ")",
			")", ")", ")", ")", ")", ")",
			"entry", "(", "name", "e", "node", "(", "type", "directory", ")", ")",
			"entry", "(", "name", "f", "node", "(", "type", "regular", "contents", "2", ")", ")",
			")",
		},
	},
	{
		"the longest name",
		[]file{dir(""), regular(strings.Repeat("n", maxName), "")},
		[]string{
			magic, "(", "type", "directory",
			"entry", "(", "name", strings.Repeat("n", maxName), "node", "(", "type", "regular", "contents", "", ")", ")",
			")",
		},
	},
	{
		"a file of the size of the buffer",
		[]file{regular("", strings.Repeat("x", bufferSize))},
		[]string{magic, "(", "type", "regular", "contents", strings.Repeat("x", bufferSize), ")"},
	},
	{
		"a file larger than the buffer",
		[]file{dir(""), regular("a", "small"), regular("b", strings.Repeat("0123456789", bufferSize/4)), regular("c", "")},
		[]string{
			magic, "(", "type", "directory",
			"entry", "(", "name", "a", "node", "(", "type", "regular", "contents", "small", ")", ")",
			"entry", "(", "name", "b", "node", "(", "type", "regular", "contents", strings.Repeat("0123456789", bufferSize/4), ")", ")",
			"entry", "(", "name", "c", "node", "(", "type", "regular", "contents", "", ")", ")",
			")",
		},
	},
}

// onDisk makes the tree of files, and returns where.
func onDisk(t testing.TB, files []file) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "item")
	for _, f := range files {
		name := filepath.Join(root, f.Path)
		var err error
		switch f.Type {
		case Directory:
			err = os.Mkdir(name, 0o755)
		case Symlink:
			err = os.Symlink(f.Target, name)
		case Regular:
			mode := os.FileMode(0o644)
			if f.Executable {
				mode = 0o744
			}
			err = os.WriteFile(name, []byte(f.content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}
