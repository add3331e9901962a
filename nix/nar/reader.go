package nar

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// A Reader reads an archive file by file, as archive/tar does:
//
//	for {
//		h, err := r.Next()
//		if err == io.EOF {
//			break // the archive is complete
//		}
//		…
//		io.Copy(dst, r) // the content of a regular file
//	}
//
// It takes from the underlying reader exactly the bytes of the archive, in
// small pieces, so the caller should pass a buffered reader; what follows the
// archive is left for the caller to read or to refuse. Its memory does not
// depend on the size of the archive. The first error is kept and returned
// ever after.
type Reader struct {
	r     io.Reader
	state readerState
	err   error

	left int64 // bytes not yet read of the current regular file
	pad  int   // zeros that follow them

	// path is the current file's. The open directories are prefixes of
	// it, given by their lengths; between two entries of a directory, path
	// still holds the last one's name, which the next must exceed.
	path []byte
	dirs []int

	buf []byte // for one string
}

type readerState uint8

const (
	atStart     readerState = iota // nothing read
	inRegular                      // inside or after the content of a regular file
	inDirectory                    // before an entry, or the end, of a directory
	afterNode                      // after the closing parenthesis of a node
)

// NewReader returns a Reader of the archive that r starts with.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r, buf: make([]byte, 0, 256)}
}

// Next goes to the next file, skipping what is left of the current one.
// Directories come before their entries. It returns io.EOF after a complete
// archive, and io.ErrUnexpectedEOF if the archive is cut off.
func (r *Reader) Next() (*Header, error) {
	if r.err != nil {
		return nil, r.err
	}
	h, err := r.next()
	if err == nil {
		return h, nil
	}
	if err != io.EOF {
		err = fmt.Errorf("read archive: %w", err)
	}
	r.err = err
	return nil, err
}

func (r *Reader) next() (*Header, error) {
	for {
		switch r.state {
		case atStart:
			if err := r.expect(readStart); err != nil {
				return nil, err
			}
			return r.node()
		case inRegular:
			if err := r.endRegular(); err != nil {
				return nil, err
			}
		case afterNode:
			if len(r.dirs) == 0 {
				return nil, io.EOF
			}
			if err := r.expect(readClose); err != nil { // of the entry
				return nil, err
			}
			r.state = inDirectory
		case inDirectory:
			word, err := r.string(len("entry"))
			if err != nil {
				return nil, err
			}
			switch string(word) {
			case "entry":
				if err := r.name(); err != nil {
					return nil, err
				}
				return r.node()
			case ")":
				top := len(r.dirs) - 1
				r.path = r.path[:r.dirs[top]]
				r.dirs = r.dirs[:top]
				r.state = afterNode
			default:
				return nil, fmt.Errorf("%q in place of an entry", word)
			}
		}
	}
}

// name reads an entry up to the node in it, and makes it the current path.
func (r *Reader) name() error {
	if err := r.expect(readName); err != nil {
		return err
	}
	name, err := r.string(maxName)
	if err != nil {
		return err
	}
	if err := checkName(string(name)); err != nil {
		return err
	}
	dir := r.dirs[len(r.dirs)-1]
	start := dir
	if dir > 0 {
		start++ // the slash
	}
	if len(r.path) > dir && bytes.Compare(name, r.path[start:]) <= 0 {
		return fmt.Errorf("the entry %q comes after %q", name, r.path[start:])
	}
	if start+len(name) > maxPath {
		return fmt.Errorf("a path is longer than %d bytes", maxPath)
	}
	r.path = r.path[:dir]
	if dir > 0 {
		r.path = append(r.path, '/')
	}
	r.path = append(r.path, name...)
	return r.expect(readNode)
}

// node reads a node from its type on, up to the content of a regular file,
// the entries of a directory, or the end of a symlink.
func (r *Reader) node() (*Header, error) {
	h := &Header{Path: string(r.path)}
	word, err := r.string(len("directory"))
	if err != nil {
		return nil, err
	}
	switch string(word) {
	case "regular":
		h.Type = Regular
		return h, r.startRegular(h)
	case "symlink":
		h.Type = Symlink
		if err := r.expect(readTarget); err != nil {
			return nil, err
		}
		target, err := r.string(maxTarget)
		if err != nil {
			return nil, err
		}
		h.Target = string(target)
		if err := checkTarget(h.Target); err != nil {
			return nil, err
		}
		r.state = afterNode
		return h, r.expect(readClose)
	case "directory":
		h.Type = Directory
		r.dirs = append(r.dirs, len(r.path))
		r.state = inDirectory
		return h, nil
	}
	return nil, fmt.Errorf("%q is not a type of file", word)
}

// startRegular reads up to the content of a regular file.
func (r *Reader) startRegular(h *Header) error {
	word, err := r.string(len("executable"))
	if err != nil {
		return err
	}
	if string(word) == "executable" {
		h.Executable = true
		if err := r.expect(readEmpty); err != nil {
			return err
		}
		if word, err = r.string(len("executable")); err != nil {
			return err
		}
	}
	if string(word) != "contents" {
		return fmt.Errorf("%q in place of a file's contents", word)
	}
	size, err := r.length()
	if err != nil {
		return err
	}
	if size > math.MaxInt64 {
		return fmt.Errorf("a file of %d bytes", size)
	}
	h.Size = int64(size)
	r.left, r.pad, r.state = h.Size, padding(h.Size), inRegular
	return nil
}

// endRegular reads from anywhere in a regular file's content to the end of
// its node.
func (r *Reader) endRegular() error {
	n, err := io.CopyN(io.Discard, r.r, r.left)
	r.left -= n
	if err != nil {
		return cutOff(err)
	}
	if err := r.fill(r.pad); err != nil {
		return err
	}
	if err := checkPadding(r.buf); err != nil {
		return err
	}
	r.state = afterNode
	return r.expect(readClose)
}

// Read reads the content of the current file, which is empty unless the file
// is regular. It returns io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil && r.err != io.EOF {
		return 0, r.err
	}
	if r.state != inRegular || r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left == 0 {
		err = nil // the archive is cut off, but the content is not
	}
	if err != nil {
		r.err = fmt.Errorf("read archive: %w", cutOff(err))
	}
	return n, r.err
}
