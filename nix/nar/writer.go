package nar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// bufferSize is what the Writer collects before it writes: enough that system
// calls and the start of a hash function do not count, and little enough to
// stay in a processor's cache on the way.
const bufferSize = 256 << 10

// A Writer writes an archive file by file, as archive/tar does. It buffers;
// the archive is complete when Close has returned nil. The first error is
// kept and returned ever after.
type Writer struct {
	w   io.Writer
	err error
	buf []byte

	started bool
	file    bool  // a regular file is open
	left    int64 // bytes that its content still lacks
	pad     int   // zeros after them

	// path is that of the last file; the open directories are prefixes of
	// it, given by their lengths. See Reader.
	path string
	dirs []int
}

// NewWriter returns a Writer of an archive to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: make([]byte, 0, bufferSize)}
}

// The strings that always stand together.
var (
	writeStart      = encode(magic)
	writeEntry      = encode("entry", "(", "name")
	writeNode       = encode("node")
	writeRegular    = encode("(", "type", "regular", "contents")
	writeExecutable = encode("(", "type", "regular", "executable", "", "contents")
	writeSymlink    = encode("(", "type", "symlink", "target")
	writeDirectory  = encode("(", "type", "directory")
	writeClose      = encode(")")
	writeCloseEntry = encode(")", ")")
)

// WriteHeader starts a file. The root, whose path is "", comes first. Every
// other file comes after the directory it is in and all that is in that
// directory before it, in the order of the names' bytes.
func (w *Writer) WriteHeader(h *Header) error {
	if w.err == nil {
		if err := w.header(h); err != nil {
			w.fail(fmt.Errorf("%q: %w", h.Path, err))
		}
	}
	return w.err
}

func (w *Writer) header(h *Header) error {
	if err := w.endFile(); err != nil {
		return err
	}
	if h.Path == "" {
		if w.started {
			return errors.New("an archive has one root")
		}
		w.started = true
		w.add(writeStart)
	} else if err := w.entry(h.Path); err != nil {
		return err
	}
	switch h.Type {
	case Regular:
		if h.Size < 0 {
			return fmt.Errorf("a file of %d bytes", h.Size)
		}
		if h.Executable {
			w.add(writeExecutable)
		} else {
			w.add(writeRegular)
		}
		w.reserve(8)
		w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(h.Size))
		w.file, w.left, w.pad = true, h.Size, padding(h.Size)
	case Symlink:
		if err := checkTarget(h.Target); err != nil {
			return err
		}
		w.add(writeSymlink)
		w.addString(h.Target)
		w.closeNode()
	case Directory:
		w.add(writeDirectory)
		w.dirs = append(w.dirs, len(h.Path))
	default:
		return fmt.Errorf("%v is not a type of file", h.Type)
	}
	return nil
}

// entry closes the directories that path is not in and starts an entry of
// the one it is in.
func (w *Writer) entry(path string) error {
	parent, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	if path[0] == '/' {
		return errors.New("the path is not relative")
	}
	if err := checkName(name); err != nil {
		return err
	}
	if len(path) > maxPath {
		return fmt.Errorf("the path is longer than %d bytes", maxPath)
	}
	for len(w.dirs) > 0 && w.path[:w.top()] != parent {
		w.closeDir()
	}
	if len(w.dirs) == 0 {
		return errors.New("the directory it is in is not open")
	}
	if last := strings.TrimPrefix(w.path[w.top():], "/"); name <= last {
		return fmt.Errorf("it comes after %q", w.path)
	}
	w.path = path
	w.add(writeEntry)
	w.addString(name)
	w.add(writeNode)
	return nil
}

// top is the length of the path of the innermost open directory.
func (w *Writer) top() int { return w.dirs[len(w.dirs)-1] }

func (w *Writer) closeDir() {
	w.path = w.path[:w.top()]
	w.dirs = w.dirs[:len(w.dirs)-1]
	w.closeNode()
}

// closeNode ends a node and the entry that it stands in, if it is not the
// root.
func (w *Writer) closeNode() {
	if len(w.dirs) == 0 {
		w.add(writeClose)
	} else {
		w.add(writeCloseEntry)
	}
}

// Write adds to the content of the regular file that the last header has
// started. The content has to have the size that the header says.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(p)) > w.left {
		return 0, w.fail(fmt.Errorf("%q: more content than its header says", w.path))
	}
	w.add(p)
	w.left -= int64(len(p))
	return len(p), w.err
}

// endFile ends the open regular file, if there is one.
func (w *Writer) endFile() error {
	if !w.file {
		return nil
	}
	if w.left > 0 {
		return fmt.Errorf("the file before it lacks %d bytes", w.left)
	}
	w.file = false
	w.add(zeros[:w.pad])
	w.closeNode()
	return nil
}

// Close ends the archive and writes what is buffered. It does not close the
// underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if !w.started {
		return w.fail(errors.New("there is no root"))
	}
	if w.left > 0 {
		return w.fail(fmt.Errorf("%q: lacks %d bytes", w.path, w.left))
	}
	w.endFile()
	for len(w.dirs) > 0 {
		w.closeDir()
	}
	w.flush()
	if w.err == nil {
		w.err = errClosed
		return nil
	}
	return w.err
}

var errClosed = errors.New("write archive: it is closed")

func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("write archive: %w", err)
	}
	return w.err
}

// reserve makes room for n bytes, which the buffer must be able to hold.
func (w *Writer) reserve(n int) {
	if cap(w.buf)-len(w.buf) < n {
		w.flush()
	}
}

func (w *Writer) add(p []byte) {
	w.reserve(len(p))
	if len(p) > cap(w.buf) { // the buffer is empty now, and of no use
		w.output(p)
		return
	}
	w.buf = append(w.buf, p...)
}

func (w *Writer) addString(s string) {
	w.reserve(8 + len(s) + 8)
	w.buf = appendString(w.buf, s)
}

func (w *Writer) flush() {
	w.output(w.buf)
	w.buf = w.buf[:0]
}

func (w *Writer) output(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if _, err := w.w.Write(p); err != nil {
		w.fail(err)
	}
}
