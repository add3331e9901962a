package substitutes

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"slices"

	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
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

// compressions are those we can undo, the one that costs us least first.
var compressions = []string{"zstd", "none", "gzip", "lzip"}

// choose picks the smallest download. Sizes can be compared only if all are
// known; else, and between equal ones, what is cheaper to decompress wins. That
// "none" is cheap says nothing when sizes are not known, so it comes last then.
func choose(archives []narinfo.Archive) (narinfo.Archive, error) {
	var known []narinfo.Archive
	sizes := true
	for _, a := range archives {
		if slices.Contains(compressions, a.Compression) {
			known = append(known, a)
			sizes = sizes && a.FileSize > 0
		}
	}
	if len(known) == 0 {
		return narinfo.Archive{}, errors.New("the narinfo offers no compression that is known here")
	}
	return slices.MinFunc(known, func(a, b narinfo.Archive) int {
		switch {
		case sizes && a.FileSize != b.FileSize:
			return int(min(max(a.FileSize-b.FileSize, -1), 1))
		case !sizes && a.Compression != b.Compression && a.Compression == "none":
			return 1
		case !sizes && a.Compression != b.Compression && b.Compression == "none":
			return -1
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

// A stream is an archive on its way: it is decompressed, measured and hashed.
type stream struct {
	url  *url.URL
	body *body
	data io.Reader
	free func()
	hash hash.Hash
	want [sha256.Size]byte
	left int64 // bytes that are still to come
	err  error
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if s.left == 0 {
		s.err = s.finish()
		return 0, s.err
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.data.Read(p)
	s.hash.Write(p[:n])
	s.left -= int64(n)
	switch {
	case err == io.EOF && s.left == 0:
		s.err = s.finish() // which meets the end again
	case err == io.EOF:
		s.err = s.reason(fmt.Errorf("%d bytes are missing at the end: %w", s.left, io.ErrUnexpectedEOF))
	case err != nil:
		s.err = s.reason(err)
	}
	if n > 0 && s.err == io.EOF {
		return n, nil
	}
	return n, s.err
}

// finish returns io.EOF if the archive is what it should be. One byte more
// is asked for: that there is none is what makes decompressors compare their
// checksums, and more than one we do not want from who sends too much.
func (s *stream) finish() error {
	var one [1]byte
	switch _, err := io.ReadFull(s.data, one[:]); {
	case err == nil:
		return errors.New("the archive is larger than its narinfo says")
	case err != io.EOF:
		return s.reason(err)
	}
	if [sha256.Size]byte(s.hash.Sum(nil)) != s.want {
		return errors.New("the archive does not have the hash that its narinfo says")
	}
	return io.EOF
}

// reason prefers the failure of the download to what a decompressor makes of
// it. A download that stops too early can also be one that was cut off.
func (s *stream) reason(err error) error {
	if s.body.err != nil && s.body.err != io.EOF {
		return s.body.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return unavailable(err)
	}
	return err
}

func (s *stream) Close() error {
	s.free()
	return s.body.Close()
}

// named is a stream that says in its errors of what and where it is from.
type named struct {
	*stream
	path storepath.Path
}

func (n *named) Read(p []byte) (int, error) {
	k, err := n.stream.Read(p)
	if err != nil && err != io.EOF {
		if n.body.parent.Err() != nil {
			return k, fmt.Errorf("fetch %s: %w", n.path, err)
		}
		err = &FetchError{n.path, []error{at(n.url, err)}}
	}
	return k, err
}
