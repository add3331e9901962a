package substitutes

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

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
