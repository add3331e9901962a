package nar

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Restore reads one archive from r and writes its tree to dst, which must not
// exist, in a directory that does. r should be buffered; what follows the
// archive is not read.
//
// Nothing is written outside dst, whatever the archive says: a file's parent
// is always a directory that Restore itself has made, since the Reader has no
// other paths, and os.Root follows no symlink out even if somebody puts one
// there meanwhile. Modes are 0755 for directories and executables and 0644
// for other files, less the umask. If Restore fails, it removes what it has
// written. It does not sync.
func Restore(dst string, r io.Reader) (err error) {
	dst = filepath.Clean(dst)
	root, err := os.OpenRoot(filepath.Dir(dst))
	if err != nil {
		return fmt.Errorf("restore %s: %w", dst, err)
	}
	defer root.Close()
	base := filepath.Base(dst)

	made := false // so that a dst which was there before is left alone
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore %s: %w", dst, err)
			if made {
				root.RemoveAll(base)
			}
		}
	}()
	archive := NewReader(r)
	buf := make([]byte, 64<<10)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := restoreFile(root, filepath.Join(base, h.Path), h, archive, buf); err != nil {
			made = made || !errors.Is(err, fs.ErrExist)
			return err
		}
		made = true
	}
}

func restoreFile(root *os.Root, name string, h *Header, content io.Reader, buf []byte) error {
	switch h.Type {
	case Directory:
		return root.Mkdir(name, 0o755)
	case Symlink:
		return root.Symlink(h.Target, name)
	}
	mode := os.FileMode(0o644)
	if h.Executable {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	// os.File's own ReadFrom would allocate a buffer for every file.
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, content, buf)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
