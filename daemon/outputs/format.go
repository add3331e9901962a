package outputs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"codeberg.org/tbfg/tbfg/nix/lzip"

	"github.com/klauspost/compress/zstd"
)

// format is a way in which a NAR may be compressed. It is recognised by how
// the file begins.
type format struct {
	name, suffix, magic string
	open                func(io.Reader) (io.Reader, func(), error)
}

var formats = []format{
	{"lzip", ".lz", "LZIP", func(r io.Reader) (io.Reader, func(), error) { return lzip.NewReader(r), func() {}, nil }},
	{"zstd", ".zst", "\x28\xb5\x2f\xfd", openZstd},
	{"none", "", "\x0d\x00\x00\x00\x00\x00\x00\x00nix-archive-1", func(r io.Reader) (io.Reader, func(), error) { return r, func() {}, nil }},
}

// maxWindow is how far back the data of zstd files may refer, in bytes, and
// with that how much memory they cost. That of zstd -19 is 8 MiB; --ultra has
// up to 128.
const maxWindow = 32 << 20

func openZstd(r io.Reader) (io.Reader, func(), error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

// recognise finds out a file's format.
func recognise(r *bufio.Reader) (format, error) {
	for _, f := range formats {
		start, err := r.Peek(len(f.magic))
		if bytes.Equal(start, []byte(f.magic)) {
			return f, nil
		}
		if err != nil && err != io.EOF {
			return format{}, err
		}
	}
	return format{}, fmt.Errorf("it is neither lzip nor zstd data nor a NAR")
}
