package substitutes

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxNar is a size that no archive has: arithmetic is safe below it.
	maxNar = 1 << 45

	// maxWindow is how far back a zstd stream may refer, and so the memory
	// it may take. The levels up to 19 use 8 MiB; the limit is that of
	// package lzip.
	maxWindow = 64 << 20
)

// compressions are those we can undo, in the order of our preference.
var compressions = []string{"zstd", "lzip", "gzip", "none"}

// choose picks the smallest download. Sizes can be compared only if all are
// known; else, and between equal ones, our preference decides.
func choose(archives []narinfo.Archive) (narinfo.Archive, error) {
	var usable []narinfo.Archive
	sizes := true
	for _, a := range archives {
		if slices.Contains(compressions, a.Compression) {
			usable = append(usable, a)
			sizes = sizes && a.FileSize > 0
		}
	}
	if len(usable) == 0 {
		return narinfo.Archive{}, errors.New("the narinfo offers no compression that is known here")
	}
	return slices.MinFunc(usable, func(a, b narinfo.Archive) int {
		if sizes && a.FileSize != b.FileSize {
			return cmp.Compare(a.FileSize, b.FileSize)
		}
		return slices.Index(compressions, a.Compression) - slices.Index(compressions, b.Compression)
	}), nil
}

// decompress undoes a compression. The function it returns frees what the
// decompression holds.
func decompress(compression string, r *bufio.Reader) (io.Reader, func(), error) {
	nothing := func() {}
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(r)
		return z, nothing, err
	case "lzip":
		return lzip.NewReader(r), nothing, nil
	case "zstd":
		z, err := zstd.NewReader(r,
			zstd.WithDecoderConcurrency(1), // no goroutines
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	}
	return r, nothing, nil
}

// open starts the download of the archive of info.
func (c *Client) open(ctx context.Context, base *url.URL, info *narinfo.Info) (*stream, error) {
	if info.NarSize <= 0 || info.NarSize > maxNar {
		return nil, at(base, fmt.Errorf("the narinfo says that the archive has %d bytes", info.NarSize))
	}
	archive, err := choose(info.Archives)
	if err != nil {
		return nil, at(base, err)
	}
	u, err := archiveURL(base, archive.URL)
	if err != nil {
		return nil, at(base, err)
	}
	// No compression makes anything much larger. What the narinfo says of
	// the file's size is no limit, since nobody has signed it.
	answer, err := c.get(ctx, u, info.NarSize+info.NarSize/8+64<<10)
	if err != nil {
		return nil, at(u, err)
	}
	s := &stream{url: u, body: answer, hash: sha256.New(), want: info.NarHash, left: info.NarSize}
	s.data, s.free, err = decompress(archive.Compression, bufio.NewReaderSize(answer, 64<<10))
	if err != nil {
		answer.Close()
		return nil, at(u, s.reason(err))
	}
	return s, nil
}

// archiveURL is where the archive is. It may be on another server, but a
// server that is reached by https does not send us to one that is not.
func archiveURL(base *url.URL, ref string) (*url.URL, error) {
	u, err := base.Parse(ref)
	if err != nil || u.Host == "" || u.Scheme != base.Scheme && u.Scheme != "https" {
		return nil, fmt.Errorf("the narinfo has the URL %q", clip(ref))
	}
	return u, nil
}
