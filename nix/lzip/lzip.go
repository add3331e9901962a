// Package lzip reads and writes lzip files, the compression that Guix's
// substitutes are mostly offered in.
//
// The format is described in the manual of lzip, "File format". A file is one
// member or several, one after the other; the data are the members' data put
// together. A member is
//
//	"LZIP", a version (1), a byte that says the size of the dictionary
//	an LZMA stream with lc = 3, lp = 0, pb = 2 and an end marker
//	CRC-32 of the data, size of the data, size of the member
//
// with 4, 8 and 8 bytes for the last three, little-endian.
//
// The LZMA streams are the work of github.com/ulikunitz/xz/lzma. That package
// puts the stream into a format of its own, with a header of 13 bytes in
// front: the Reader invents such a header, and the Writer drops it. It is
// used so that version 0.5.12, the one in Guix, does the same as 0.5.15.
package lzip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/ulikunitz/xz/lzma"
)

const (
	magic       = "LZIP"
	version     = 1
	headerSize  = 6
	trailerSize = 20
)

// The sizes of dictionaries that the format knows.
const (
	minDictionary = 4 << 10
	maxDictionary = 512 << 20
)

// dictionarySize decodes the header's last byte: five bits for a power of
// two, from which as many sixteenths are taken off as three bits say.
func dictionarySize(b byte) (int, error) {
	size := 1 << (b & 31)
	size -= size / 16 * int(b>>5)
	if size < minDictionary || size > maxDictionary {
		return 0, fmt.Errorf("%#02x is not a size of a dictionary", b)
	}
	return size, nil
}

// dictionaryByte encodes a size that is a power of two.
func dictionaryByte(size int) byte { return byte(bits.TrailingZeros(uint(size))) }

// lzmaHeader is the header that package lzma reads in front of a stream of
// unknown length.
func lzmaHeader(dictionary int) []byte {
	properties := lzma.Properties{LC: 3, LP: 0, PB: 2}
	h := []byte{properties.Code()}
	h = binary.LittleEndian.AppendUint32(h, uint32(dictionary))
	return binary.LittleEndian.AppendUint64(h, ^uint64(0))
}

var errTrailing = errors.New("something other than a member follows a member")
