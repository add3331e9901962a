// Package storepath names the items of a store: "/gnu/store/<hash>-<name>".
//
// The store directory is a value, so that a test store under another
// directory works exactly as /gnu/store does.
package storepath

import (
	"fmt"
	"path"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/base32"
)

// A Dir is the absolute name of a store directory, without a trailing slash.
type Dir string

// DefaultDir is the store directory of GNU Guix.
const DefaultDir Dir = "/gnu/store"

// A Path is the full name of one store item, such as
// "/gnu/store/0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix-hello-2.12". A Path that came
// out of Parse is well formed: nothing in it can leave the store directory.
type Path string

// Limits of a store path's parts. The daemon sets none for the name, but it
// cannot add an item whose lock file, "<hash>-<name>.lock", has a name of more
// than 255 bytes: 217 is the longest that Guix 1.5.0 accepts, not Nix's 211.
const (
	hashLen    = 32 // characters of base32: 160 bits
	maxNameLen = 255 - hashLen - len("-") - len(".lock")
)

// Parse checks that s is the full name of an item of a store directory,
// whichever that is, and of nothing below it. Whoever acts on the path in a
// store of his own uses the Parse of that Dir instead.
func Parse(s string) (Path, error) {
	i := strings.LastIndexByte(s, '/')
	if i <= 0 || s[0] != '/' {
		return "", fmt.Errorf("store path %q: not an absolute file name", clip(s))
	}
	if dir := s[:i]; path.Clean(dir) != dir {
		return "", fmt.Errorf("store path %q: the directory is not spelt plainly", clip(s))
	}
	if err := checkBase(s[i+1:]); err != nil {
		return "", fmt.Errorf("store path %q: %w", clip(s), err)
	}
	return Path(s), nil
}

// Parse checks that s is the full name of an item of d.
func (d Dir) Parse(s string) (Path, error) {
	base, ok := strings.CutPrefix(s, string(d))
	if ok {
		base, ok = strings.CutPrefix(base, "/")
	}
	if !ok {
		return "", fmt.Errorf("store path %q: not in the store %s", clip(s), clip(string(d)))
	}
	if err := checkBase(base); err != nil {
		return "", fmt.Errorf("store path %q: %w", clip(s), err)
	}
	return Path(s), nil // and not d.Object: a derivation has a hundred paths, and none needs a copy
}

// Object is the path of the item of d with the given base name, "<hash>-<name>".
func (d Dir) Object(base string) (Path, error) {
	if err := checkBase(base); err != nil {
		return "", fmt.Errorf("store path %q: %w", clip(string(d)+"/"+base), err)
	}
	return Path(string(d) + "/" + base), nil
}

// Dir is the store directory that p lies in.
func (p Path) Dir() Dir { return Dir(p[:strings.LastIndexByte(string(p), '/')]) }

// Base is the item's file name, "<hash>-<name>".
func (p Path) Base() string { return string(p[strings.LastIndexByte(string(p), '/')+1:]) }

// HashPart is the 32 characters of base32 that start the base name; narinfos
// are found by it.
func (p Path) HashPart() string { return p.Base()[:hashLen] }

// Name is the base name without its hash part.
func (p Path) Name() string { return p.Base()[hashLen+1:] }

// IsDerivation tells whether p names a derivation, a .drv file.
func (p Path) IsDerivation() bool { return strings.HasSuffix(string(p), ".drv") }

func checkBase(base string) error {
	if len(base) < hashLen+2 || base[hashLen] != '-' {
		return fmt.Errorf("want 32 characters of hash, a hyphen and a name")
	}
	for i := range hashLen {
		if kind[base[i]]&hashByte == 0 {
			return fmt.Errorf("%q is not a hash in base 32", base[:hashLen])
		}
	}
	return checkName(base[hashLen+1:])
}

// checkName has the rules of the daemon's checkStoreName
// (nix/libstore/store-api.cc), and demands a name.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("the name is empty")
	}
	if len(name) > maxNameLen {
		return fmt.Errorf("the name is longer than %d bytes", maxNameLen)
	}
	if name[0] == '.' {
		return fmt.Errorf("the name starts with a dot")
	}
	for i := range len(name) {
		if kind[name[i]]&nameByte == 0 {
			return fmt.Errorf("the character %q is not allowed in a name", name[i])
		}
	}
	return nil
}

const (
	hashByte = 1 << iota // stands in a hash part
	nameByte             // stands in a name
)

// kind tells where a character may stand.
var kind = func() (t [256]byte) {
	for _, c := range []byte(base32.Alphabet) {
		t[c] |= hashByte
	}
	for c := range 256 {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			t[c] |= nameByte
		}
	}
	for _, c := range []byte("+-._?=") {
		t[c] |= nameByte
	}
	return t
}()

// clip keeps what a stranger sent from filling a log line.
func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
