package buildlog

import (
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

// endless is a log without end, the same text again and again.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.read%len(e.text):])
	e.read += n
	return n, nil
}

func TestTheLimitIsOfWhatArrivesAndOfTheText(t *testing.T) {
	const limit = 1000
	// What does not compress is larger as gzip than as it is.
	var noise strings.Builder
	for x := uint32(1); noise.Len() < limit; x = x*1664525 + 1013904223 {
		noise.WriteByte(byte(x >> 24))
	}
	tests := []struct {
		name, format, body string
		fits               bool
	}{
		{"a text of the limit", "none", strings.Repeat("x", limit), true},
		{"a text beyond it", "none", strings.Repeat("x", limit+1), false},
		{"the gzip data of a text of the limit", "gzip", gzipped(t, strings.Repeat("x", limit)), true},
		{"the gzip data of a text beyond it", "gzip", gzipped(t, strings.Repeat("x", limit+1)), false},
		{"gzip data beyond it of a text of the limit", "gzip", gzipped(t, noise.String()), false},
		{"many members that together are beyond it", "gzip", strings.Repeat(gzipped(t, strings.Repeat("x", 200)), 6), false},
		{"many members of nothing", "gzip", strings.Repeat(gzipped(t, ""), 200), false},
		{"bzip2 data beyond it", "bzip2", strings.Repeat(hello, 30), false},
		{"bzip2 data within it", "bzip2", strings.Repeat(hello, 20), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, limit)
			err := s.Save(build, tt.format, strings.NewReader(tt.body))
			if tt.fits {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if daemon.CodeOf(err) != daemon.TooLarge || !strings.Contains(err.Error(), "coordinator.max_log_size") {
				t.Fatalf("got %v, want an error of what is too large", err)
			}
			checkUntouched(t, s, "")
		})
	}
}

func TestReadingStopsAtTheLimit(t *testing.T) {
	const limit = 1 << 20
	for _, tt := range []struct {
		name, format, text string
		most               int
	}{
		{"of what arrives", "none", "a line of a log\n", limit + 64<<10},
		{"of the text in gzip data, a thousandth of it", "gzip", gzipped(t, strings.Repeat("\x00", 1<<20)), 128 << 10},
		{"of the text in bzip2 data", "bzip2", hello, limit + 64<<10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, body := openStore(t, limit), &endless{text: tt.text}
			if err := s.Save(build, tt.format, body); daemon.CodeOf(err) != daemon.TooLarge {
				t.Fatalf("got %v, want too large", err)
			}
			if body.read > tt.most {
				t.Fatalf("%d bytes were read of an endless log, want at most %d", body.read, tt.most)
			}
			checkUntouched(t, s, "")
		})
	}
}
