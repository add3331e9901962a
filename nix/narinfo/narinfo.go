// Package narinfo reads and writes the texts in which a substitute server says
// what it has of a store item: the hash, size and references of its archive,
// where to download it, and a signature.
//
// The format is that of Guix (guix/narinfo.scm and guix/scripts/publish.scm),
// a record in the style of recutils:
//
//	StorePath: /gnu/store/0c6r…-hello-2.12
//	NarHash: sha256:0qrn…
//	NarSize: 217304
//	References: 0c6r…-hello-2.12 5h2w…-glibc-2.41
//	Deriver: 8s90…-hello-2.12.drv
//	Signature: 1;HOST;BASE64
//	URL: nar/zstd/0c6r…-hello-2.12
//	Compression: zstd
//	FileSize: 58763
//
// The signature is for the text above it, byte for byte. Each further
// compression is a further URL with its Compression and FileSize; older
// servers put them above the signature. Keys that are not known are ignored.
package narinfo

import (
	"crypto/sha256"
	"strconv"

	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Limits of what Parse accepts. The references set the size: the largest
// profiles and system derivations have some thousands of them, of 60 bytes
// each.
const (
	MaxSize       = 1 << 20
	maxReferences = 10_000
	maxArchives   = 32
)

// MediaType is the content type under which narinfos are served.
const MediaType = "application/x-nix-narinfo"

// An Info says what a substitute server has of a store item.
type Info struct {
	StorePath  storepath.Path
	NarHash    [sha256.Size]byte // of the uncompressed archive
	NarSize    int64             // of the uncompressed archive
	References []storepath.Path  // in the order of the text
	Deriver    storepath.Path    // "" if there is none
	Archives   []Archive
	Signature  string // "1;HOST;BASE64", or "" if there is none

	signed []byte
}

// An Archive is one form in which the archive can be downloaded.
type Archive struct {
	URL         string // in general relative to the server's
	Compression string // "none", "gzip", "lzip", "zstd" or what else there may be
	FileSize    int64  // of the download; 0 if the text does not say
}

// Signed returns the bytes of the parsed text that its signature is for. It
// returns nil unless they hold all that makes a signature worth anything:
// Guix takes a narinfo for unsigned if StorePath, NarHash or References is
// not above its signature.
func (i *Info) Signed() []byte { return i.signed }

// Normative returns the canonical text of what a signature is for: all but
// the signature and the archives.
func (i *Info) Normative() []byte { return i.appendNormative(nil) }

// Text returns the canonical text, as guix publish has it. For an Info that
// was parsed it need not be the text that was signed. The strings in it are
// printed as they are; they must not contain newlines.
func (i *Info) Text() []byte {
	b := i.appendNormative(nil)
	if i.Signature != "" {
		b = append(b, "Signature: "+i.Signature+"\n"...)
	}
	for _, a := range i.Archives {
		b = append(b, "URL: "+a.URL+"\n"...)
		if a.Compression != "" {
			b = append(b, "Compression: "+a.Compression+"\n"...)
		}
		if a.FileSize > 0 {
			b = append(b, "FileSize: "+strconv.FormatInt(a.FileSize, 10)+"\n"...)
		}
	}
	return b
}

func (i *Info) appendNormative(b []byte) []byte {
	b = append(b, "StorePath: "+string(i.StorePath)+"\n"...)
	b = append(b, hashPrefix...)
	b = append(b, base32.Encode(i.NarHash[:])...)
	b = append(b, "\nNarSize: "...)
	b = strconv.AppendInt(b, i.NarSize, 10)
	b = append(b, "\nReferences: "...) // the blank stands there also before nothing
	for n, ref := range i.References {
		if n > 0 {
			b = append(b, ' ')
		}
		b = append(b, ref.Base()...)
	}
	b = append(b, '\n')
	if i.Deriver != "" {
		b = append(b, "Deriver: "+i.Deriver.Base()+"\n"...)
	}
	return b
}

const hashPrefix = "NarHash: " + hashAlgorithm

const hashAlgorithm = "sha256:"
