package courier

import (
	"fmt"
	"io"

	"codeberg.org/tbfg/tbfg/nix/lzip"

	"github.com/klauspost/compress/zstd"
)

// Compressions are the ways in which outputs can be compressed.
var Compressions = []string{"lzip", "zstd", "none"}

// zstdWindow is how far back data may refer, in bytes, and decides how much
// memory the compressor takes.
const zstdWindow = 4 << 20

// NewCompressor returns a writer that compresses to w. One goroutine and a bounded window: memory is bounded, and the
// same data always give the same file.
func NewCompressor(compression string, w io.Writer) (io.WriteCloser, error) {
	switch compression {
	case "lzip", "":
		return lzip.NewWriter(w), nil
	case "zstd":
		// WithLowerEncoderMem would halve the speed.
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(zstdWindow))
	case "none":
		return nopCloser{w}, nil
	}
	return nil, fmt.Errorf("there is no compression %q", compression)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
