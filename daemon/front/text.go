package front

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/patience"

	"github.com/klauspost/compress/gzip"
)

const (
	// smallFile is the size up to which a log is read as a whole.
	smallFile = 1 << 20
	// smallText is the size up to which a text is decompressed as a whole
	// before anything is sent: then its length is known and parts of it
	// can be had. Of a larger one they cannot, because nobody knows
	// where in the file they are.
	smallText = 4 << 20
	// atOnce is how many bytes of a larger text are sent in one go.
	atOnce = 64 << 10
)

// What is needed to decompress is used again: a reader has 50 kB of tables.
var (
	readers = sync.Pool{New: func() any { return &reader{file: bufio.NewReaderSize(nil, atOnce)} }}
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	chunks  = sync.Pool{New: func() any { return new([atOnce]byte) }}
)

type reader struct {
	gzip.Reader
	file  *bufio.Reader
	whole bytes.Reader
}

// decompress calls use with the text of a log. A small file is read at once:
// decompression is fastest out of memory.
func decompress(f *os.File, size int64, use func(io.Reader) error) error {
	z := readers.Get().(*reader)
	defer readers.Put(z)
	var from io.Reader = z.file
	if size <= smallFile {
		file := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(file)
		file.Reset()
		file.Grow(int(size) + bytes.MinRead)
		if _, err := file.ReadFrom(io.LimitReader(f, size)); err != nil {
			return err
		}
		z.whole.Reset(file.Bytes())
		from = &z.whole
	} else {
		z.file.Reset(f)
	}
	if err := z.Reset(from); err != nil {
		return err
	}
	return use(&z.Reader)
}

// sendText sends a log's text, with its length and in parts if it is small.
// Then it is kept, too.
func sendText(w http.ResponseWriter, r *http.Request, f *os.File, v version, keep func(whole)) error {
	header := w.Header()
	etag := `"` + v.tag() + `"`
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, etag) {
		header.Set("Vary", "Accept-Encoding")
		header.Set("Etag", etag) // nothing need be decompressed
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return decompress(f, v.size, func(z io.Reader) error {
		if likely := textSize(f, v.size); likely <= smallText {
			text := bytes.NewBuffer(make([]byte, 0, likely+bytes.MinRead))
			n, err := io.CopyN(text, z, smallText+1)
			if err != nil && err != io.EOF {
				return err
			}
			if n <= smallText {
				log := whole{v, text.Bytes()}
				keep(log)
				log.send(w, r, true)
				return nil
			}
			z = io.MultiReader(text, z) // several gzip files in one
		}
		patience.Limit(w, v.size)
		v.describe(w, true)
		header.Set("Last-Modified", v.modified().Format(http.TimeFormat))
		if r.Method != http.MethodHead {
			stream(w, r, z)
		}
		return nil
	})
}

// textSize is how long the text of a gzip file probably is: modulo 4 GB, and
// of the last one if several were put together.
func textSize(f *os.File, size int64) int64 {
	var trailer [4]byte
	if _, err := f.ReadAt(trailer[:], size-int64(len(trailer))); err != nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(trailer[:]))
}

// stream sends a text of unknown length. What goes wrong now is too late for
// another status: it cuts the connection, so that the reader does not take a
// part for the whole.
func stream(w http.ResponseWriter, r *http.Request, text io.Reader) {
	chunk := chunks.Get().(*[atOnce]byte)
	defer chunks.Put(chunk)
	for {
		n, err := fill(chunk[:], text)
		if n > 0 {
			patience.Limit(w, int64(n))
			if _, err := w.Write(chunk[:n]); err != nil {
				panic(http.ErrAbortHandler) // the reader is gone, or asleep
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			abort(r, err)
		}
	}
}

// fill is io.ReadFull, but leaves the end's error as it is.
func fill(p []byte, r io.Reader) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

func abort(r *http.Request, err error) {
	if r.Context().Err() == nil { // else the reader is gone
		slog.Error("cannot read a log to its end", "path", r.URL.Path, "err", err)
	}
	panic(http.ErrAbortHandler)
}
