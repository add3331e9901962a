package nar

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A Type says what kind of file an entry is.
type Type uint8

// The three kinds of files that a store has.
const (
	Regular Type = iota + 1
	Symlink
	Directory
)

// String returns the type's name as it stands in an archive.
func (t Type) String() string {
	switch t {
	case Regular:
		return "regular"
	case Symlink:
		return "symlink"
	case Directory:
		return "directory"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// A Header describes one file of an archive.
type Header struct {
	// Path is relative to the root of the archive, with slashes between
	// the names. The root itself, which every archive starts with, is "".
	Path string

	Type Type

	// Executable is the owner's x bit of a regular file.
	Executable bool

	// Size is the number of bytes in a regular file.
	Size int64

	// Target is what a symlink contains.
	Target string
}

// The limits of Linux on names, link targets and paths. A file beyond them
// cannot have been in a store. They bound what a Reader holds in memory, and
// by maxPath also how deep directories nest: 2,048 levels.
const (
	maxName   = 255
	maxTarget = 4095
	maxPath   = 4095
)

const magic = "nix-archive-1"

// padding is the number of zeros after a string of n bytes.
func padding(n int64) int { return int(-n & 7) }

// appendString appends the encoding of s.
func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	b = append(b, s...)
	return append(b, zeros[:padding(int64(len(s)))]...)
}

var zeros [8]byte

// encode returns the encoding of strings that always follow one another.
func encode(strings ...string) []byte {
	var b []byte
	for _, s := range strings {
		b = appendString(b, s)
	}
	return b
}

// checkName tells whether an entry may have this name. A reader that lets
// other names through lets an archive write outside its directory.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an entry has an empty name")
	case len(name) > maxName:
		return fmt.Errorf("an entry's name is longer than %d bytes", maxName)
	case name == "." || name == "..":
		return fmt.Errorf("an entry is called %q", name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("the name %q contains a slash or a NUL", name)
	}
	return nil
}

// checkTarget tells whether a symlink can have this target.
func checkTarget(target string) error {
	switch {
	case target == "":
		return fmt.Errorf("a symlink has an empty target")
	case len(target) > maxTarget:
		return fmt.Errorf("a symlink's target is longer than %d bytes", maxTarget)
	case strings.IndexByte(target, 0) >= 0:
		return fmt.Errorf("a symlink's target contains a NUL")
	}
	return nil
}
