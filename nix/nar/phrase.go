package nar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A phrase is strings that can only stand together.
type phrase struct {
	words string // for people
	bytes []byte
}

func newPhrase(words ...string) phrase {
	return phrase{fmt.Sprintf("%q", words), encode(words...)}
}

var (
	readStart  = newPhrase(magic, "(", "type")
	readName   = newPhrase("(", "name")
	readNode   = newPhrase("node", "(", "type")
	readTarget = newPhrase("target")
	readEmpty  = newPhrase("")
	readClose  = newPhrase(")")
)

// expect reads strings that are known beforehand.
func (r *Reader) expect(want phrase) error {
	if err := r.fill(len(want.bytes)); err != nil {
		return err
	}
	if !bytes.Equal(r.buf, want.bytes) {
		return fmt.Errorf("something else in place of %s", want.words)
	}
	return nil
}

// string reads a string of at most limit bytes. It is valid until the next
// one is read.
func (r *Reader) string(limit int) ([]byte, error) {
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	if n > uint64(limit) {
		return nil, fmt.Errorf("a string of %d bytes where at most %d can be", n, limit)
	}
	pad := padding(int64(n))
	if err := r.fill(int(n) + pad); err != nil {
		return nil, err
	}
	return r.buf[:n], checkPadding(r.buf[n:])
}

// length reads the number that a string starts with.
func (r *Reader) length() (uint64, error) {
	if err := r.fill(8); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(r.buf), nil
}

// fill reads n bytes into buf. Callers have checked n.
func (r *Reader) fill(n int) error {
	r.buf = slices.Grow(r.buf[:0], n)[:n]
	_, err := io.ReadFull(r.r, r.buf)
	return cutOff(err)
}

func checkPadding(pad []byte) error {
	if !bytes.Equal(pad, zeros[:len(pad)]) {
		return errors.New("the padding of a string is not zero")
	}
	return nil
}

// cutOff makes of the end of the input an error: within an archive it always
// comes too early.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
