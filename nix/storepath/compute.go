package storepath

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"codeberg.org/tbfg/tbfg/nix/base32"
)

// The path of an item is computed from a description of what the item is:
// the kind of its contents, their hash, the store directory and the name
// (nix/libstore/store-api.cc, makeStorePath). The functions below are the
// four kinds there are. In Scheme they are in guix/store.scm.

// Text is the path of a file with the given content and references, as the
// daemon's add-text-to-store makes it. Derivations are such files.
func (d Dir) Text(name string, content []byte, refs []Path) (Path, error) {
	return d.item("text", refs, sha256.Sum256(content), name)
}

// Source is the path of a file or directory that was added as it is, known by
// the SHA-256 hash of its NAR: add-to-store with recursive and sha256. The
// daemon adds such items without references.
func (d Dir) Source(name string, narHash [sha256.Size]byte, refs []Path) (Path, error) {
	return d.item("source", refs, narHash, name)
}

// FixedOutput is the path of the output of a derivation whose content is known
// beforehand: by the hash of its NAR if recursive, by that of the plain file
// otherwise. The add-to-store operation gives its items the same paths.
func (d Dir) FixedOutput(name string, recursive bool, algo string, hash []byte) (Path, error) {
	size, ok := hashSizes[algo]
	if !ok {
		return "", fmt.Errorf("compute the store path of %q: unknown hash algorithm %q", clip(name), clip(algo))
	}
	if len(hash) != size {
		return "", fmt.Errorf("compute the store path of %q: %d bytes are no hash of %s, which has %d",
			clip(name), len(hash), algo, size)
	}
	method := ""
	if recursive {
		if algo == "sha256" {
			return d.Source(name, [sha256.Size]byte(hash), nil)
		}
		method = "r:"
	}
	inner := sha256.Sum256([]byte("fixed:out:" + method + algo + ":" + hex.EncodeToString(hash) + ":"))
	return d.item("output:out", nil, inner, name)
}

// Output is the path of an output of the derivation called drvName (without
// ".drv"), whose hash modulo fixed outputs, taken with the outputs left blank,
// is given.
func (d Dir) Output(outputName string, drvName string, modulo [sha256.Size]byte) (Path, error) {
	if err := checkName(outputName); err != nil {
		return "", fmt.Errorf("output name %q: %w", clip(outputName), err)
	}
	name := drvName
	if outputName != "out" {
		name += "-" + outputName
	}
	return d.item("output:"+outputName, nil, modulo, name)
}

// hashSizes are the algorithms that the daemon of Guix 1.5.0 knows, and the
// lengths of their hashes in bytes (nix/libutil/hash.cc, parseHashType).
var hashSizes = map[string]int{
	"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64,
	"sha3-256": 32, "sha3-512": 64, "blake2s-256": 32,
}

// item is the path of an item of the given kind. A hash part holds 160 bits,
// so the 256 bits of the description's hash are folded.
func (d Dir) item(kind string, refs []Path, hash [sha256.Size]byte, name string) (Path, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("compute the store path of %q: %w", clip(name), err)
	}
	// Enough for nearly all derivations, and of a size that need not be on the heap.
	b := appendRefs(append(make([]byte, 0, 8<<10), kind...), refs)
	b = append(b, ":sha256:"...)
	b = hex.AppendEncode(b, hash[:])
	b = append(b, ':')
	b = append(b, d...)
	b = append(b, ':')
	b = append(b, name...)
	sum := sha256.Sum256(b)
	var folded [hashLen * 5 / 8]byte
	for i, b := range sum {
		folded[i%len(folded)] ^= b
	}
	return Path(string(d) + "/" + base32.Encode(folded[:]) + "-" + name), nil
}

// appendRefs appends references to a kind: a set, in the order of their bytes.
func appendRefs(b []byte, refs []Path) []byte {
	if !slices.IsSorted(refs) {
		refs = slices.Sorted(slices.Values(refs))
	}
	for i, ref := range refs {
		if i > 0 && ref == refs[i-1] {
			continue
		}
		b = append(b, ':')
		b = append(b, ref...)
	}
	return b
}
