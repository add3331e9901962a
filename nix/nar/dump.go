package nar

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Dump writes the archive of the file or directory at fsPath to w. A symlink
// at fsPath is archived, not followed.
//
// The tree should not change meanwhile. If a file's size does, Dump fails; a
// change that it cannot see gives an archive of a tree that never was.
func Dump(w io.Writer, fsPath string) error {
	info, err := os.Lstat(fsPath)
	if err != nil {
		return err
	}
	d := dumper{NewWriter(w)}
	if err := d.file(fsPath, "", info.Mode().Type()); err != nil {
		return err
	}
	return d.w.Close()
}

// Hash returns the SHA-256 hash and the size of the archive that Dump writes:
// what a narinfo and the store's database have for a store item.
func Hash(fsPath string) (sum [sha256.Size]byte, size int64, err error) {
	h := sha256.New()
	n := counter{w: h}
	if err := Dump(&n, fsPath); err != nil {
		return sum, 0, err
	}
	h.Sum(sum[:0])
	return sum, n.n, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type dumper struct{ w *Writer }

// file dumps what is at fsPath as the entry path.
func (d dumper) file(fsPath, path string, mode fs.FileMode) error {
	switch mode {
	case 0:
		return d.regular(fsPath, path)
	case fs.ModeSymlink:
		target, err := os.Readlink(fsPath)
		if err != nil {
			return err
		}
		return d.w.WriteHeader(&Header{Path: path, Type: Symlink, Target: target})
	case fs.ModeDir:
		return d.directory(fsPath, path)
	}
	return fmt.Errorf("dump %s: not a regular file, a symlink or a directory", fsPath)
}

func (d dumper) directory(fsPath, path string) error {
	entries, err := os.ReadDir(fsPath) // sorted by the bytes of the names
	if err != nil {
		return err
	}
	if err := d.w.WriteHeader(&Header{Path: path, Type: Directory}); err != nil {
		return err
	}
	for _, e := range entries {
		child := e.Name()
		if path != "" {
			child = path + "/" + child
		}
		if err := d.file(fsPath+string(filepath.Separator)+e.Name(), child, e.Type()); err != nil {
			return err
		}
	}
	return nil
}

func (d dumper) regular(fsPath, path string) error {
	// A file that was exchanged since its type was seen must not lead
	// elsewhere, nor block as a pipe does.
	f, err := os.OpenFile(fsPath, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("dump %s: it has changed meanwhile", fsPath)
	}
	h := Header{
		Path:       path,
		Type:       Regular,
		Executable: info.Mode()&0o100 != 0,
		Size:       info.Size(),
	}
	if err := d.w.WriteHeader(&h); err != nil {
		return err
	}
	if err := d.w.copyFrom(f); err != nil {
		return fmt.Errorf("dump %s: %w", fsPath, err)
	}
	return nil
}

// copyFrom reads the content of the current file from f straight into the
// buffer. f must end where the header says. It is asked for one byte more, so
// that a file which has grown shows without a further system call: a regular
// file gives less than it is asked for only at its end.
func (w *Writer) copyFrom(f io.Reader) error {
	for w.err == nil {
		if free := cap(w.buf) - len(w.buf); int64(free) <= w.left && free < cap(w.buf)/2 {
			w.flush()
		}
		space := w.buf[len(w.buf):cap(w.buf)]
		if int64(len(space)) > w.left {
			space = space[:w.left+1]
		}
		n, err := f.Read(space)
		if int64(n) > w.left {
			return errGrown
		}
		w.buf = w.buf[:len(w.buf)+n]
		w.left -= int64(n)
		switch {
		case w.left == 0 && (err == io.EOF || n < len(space)):
			return nil
		case err == io.EOF:
			return errShrunk
		case err != nil:
			return err
		}
	}
	return w.err
}

var (
	errGrown  = errors.New("the file grew while it was read")
	errShrunk = errors.New("the file shrank while it was read")
)
