package guixdaemon

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Limits on what a peer may send; see the package comment. The largest
// legitimate strings are file names (4096 bytes), the largest legitimate list
// is that of a garbage collector's dead paths, a few million on a build farm.
const (
	maxString  = 64 << 10
	maxMessage = 1 << 20
	maxLog     = 64 << 20
	maxItems   = 16 << 20
	maxReply   = 512 << 20
)

// pad is how many zeros follow a string of n bytes.
func pad(n uint64) int { return int(-n & 7) }

var zeros [8]byte

// An encoder writes arguments. Its errors stay in the bufio.Writer, which
// returns the first one from Flush.
type encoder struct{ *bufio.Writer }

func (e encoder) uint(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	e.Write(b[:])
}

func (e encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.WriteString(s)
	e.Write(zeros[:pad(uint64(len(s)))])
}

func (e encoder) bytes(b []byte) {
	e.uint(uint64(len(b)))
	e.Write(b)
	e.Write(zeros[:pad(uint64(len(b)))])
}

func writeStrings[S ~string](e encoder, list []S) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		e.string(string(s))
	}
}

// A decoder reads what the daemon sends. After the first error it returns
// zero values; the error is in err.
type decoder struct {
	*bufio.Reader
	left int // bytes of strings that the reply may still have
	err  error
}

// decoder reads the next reply or messages.
func (c *Conn) decoder() *decoder { return &decoder{Reader: c.in, left: maxReply} }

// fail records that the peer does not speak the protocol.
func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("broken protocol: "+format, args...)
	}
}

// fill reads len(b) bytes.
func (d *decoder) fill(b []byte) bool {
	if d.err != nil {
		return false
	}
	_, d.err = io.ReadFull(d.Reader, b)
	return d.err == nil
}

func (d *decoder) uint() uint64 {
	var b [8]byte
	if !d.fill(b[:]) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (d *decoder) bool() bool {
	n := d.uint()
	if n > 1 {
		d.fail("%#x for a truth value", n)
	}
	return n == 1
}

// done reads the 1 with which the daemon answers what has no result.
func (d *decoder) done() {
	if ok := d.bool(); !ok {
		d.fail("done without success")
	}
}

// padding reads the zeros after n bytes. Anything else means that both sides
// no longer agree on where they are in the stream.
func (d *decoder) padding(n uint64) {
	var b [8]byte
	if d.fill(b[:pad(n)]) && b != zeros {
		d.fail("padding is not zero")
	}
}

// text reads a string of at most limit bytes. Memory grows with what arrives.
func (d *decoder) text(limit uint64) string {
	n := d.uint()
	if n > limit {
		d.fail("a string of %d bytes, the limit is %d", n, limit)
	}
	const step = 4096
	var b []byte
	for d.err == nil && uint64(len(b)) < n {
		at, more := len(b), min(int(n)-len(b), step)
		b = slices.Grow(b, more)[:at+more]
		d.fill(b[at:])
	}
	d.padding(n)
	if d.left -= 8 + len(b) + pad(n); d.left < 0 {
		d.fail("a reply of more than %d bytes", maxReply)
	}
	if d.err != nil {
		return ""
	}
	return string(b)
}

func (d *decoder) string() string { return d.text(maxString) }

// path reads the name of a store item and refuses anything else.
func (d *decoder) path() storepath.Path {
	s := d.string()
	if d.err != nil {
		return ""
	}
	p, err := storepath.Parse(s)
	if err != nil {
		d.fail("%w", err)
	}
	return p
}

// optionalPath reads a path, or the empty string that stands for none.
func (d *decoder) optionalPath() storepath.Path {
	s := d.string()
	if s == "" || d.err != nil {
		return ""
	}
	p, err := storepath.Parse(s)
	if err != nil {
		d.fail("%w", err)
	}
	return p
}

// hash reads a SHA-256 in base 16.
func (d *decoder) hash() (sum [32]byte) {
	s := d.string()
	if d.err != nil {
		return sum
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(sum) {
		d.fail("%q is not a SHA-256", clip(s))
	}
	copy(sum[:], b)
	return sum
}

// readList reads a list whose items read reads, which takes at least 8 bytes
// of input for each. The slice grows with what arrives.
func readList[T any](d *decoder, read func() T) []T {
	n := d.uint()
	if n > maxItems {
		d.fail("a list of %d items, the limit is %d", n, maxItems)
	}
	var list []T
	for range n {
		v := read()
		if d.err != nil {
			return nil
		}
		list = append(list, v)
	}
	return list
}

// clip keeps what a stranger sent from filling a log line.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
