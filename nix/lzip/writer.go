package lzip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// writerDictionary is the dictionary of lzip -6, and of package lzma.
const writerDictionary = 8 << 20

// A Writer compresses to an lzip file of one member. It writes as it
// compresses and needs some 60 MB of memory, whatever the size of the data.
// The first error is kept and returned ever after.
type Writer struct {
	out  sink
	lzma *lzma.Writer // nil until the first use
	err  error
	crc  uint32
	size int64
}

// NewWriter returns a Writer to w. The file is complete when Close has
// returned nil.
func NewWriter(w io.Writer) *Writer {
	return &Writer{out: sink{w: w}}
}

// Write compresses p.
func (w *Writer) Write(p []byte) (int, error) {
	w.start()
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.lzma.Write(p)
	w.crc = crc32.Update(w.crc, crc32.IEEETable, p[:n])
	w.size += int64(n)
	w.keep(err)
	return n, w.err
}

// Close completes the file. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.start()
	if w.err != nil {
		return w.err
	}
	w.keep(w.lzma.Close())
	w.lzma = nil // the memory
	t := binary.LittleEndian.AppendUint32(nil, w.crc)
	t = binary.LittleEndian.AppendUint64(t, uint64(w.size))
	t = binary.LittleEndian.AppendUint64(t, uint64(w.out.n)+trailerSize)
	w.write(t)
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("write lzip: it is closed")
	return nil
}

func (w *Writer) keep(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write lzip: %w", err)
	}
}

// write writes p as it is.
func (w *Writer) write(p []byte) {
	if w.err == nil {
		_, err := w.out.Write(p)
		w.keep(err)
	}
}

// start writes the header and makes the compressor, once.
func (w *Writer) start() {
	if w.lzma != nil || w.err != nil {
		return
	}
	w.write(append([]byte(magic), version, dictionaryByte(writerDictionary)))
	w.out.drop = lzma.HeaderLen
	config := lzma.WriterConfig{
		Properties: &lzma.Properties{LC: 3, LP: 0, PB: 2},
		DictCap:    writerDictionary,
		EOSMarker:  true,
	}
	var err error
	w.lzma, err = config.NewWriter(&w.out)
	w.keep(err)
}

// A sink drops the bytes of package lzma's header, counts the others and
// passes them on.
type sink struct {
	w    io.Writer
	drop int
	n    int64
}

func (s *sink) Write(p []byte) (int, error) {
	dropped := min(s.drop, len(p))
	s.drop -= dropped
	n, err := s.w.Write(p[dropped:])
	s.n += int64(n)
	return dropped + n, err
}
