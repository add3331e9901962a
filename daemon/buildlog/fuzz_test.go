package buildlog

import (
	"bytes"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

// Whatever an agent sends, Save either keeps a log that can be read and is
// within the limit, or refuses with a code and leaves no trace.
func FuzzSave(f *testing.F) {
	const limit = 10_000
	whole := gzipped(f, "hello\n")
	for _, body := range []string{"", "hello\n", whole, whole + whole, whole + "tail", whole[:15], hello, hello + hello, hello[:20]} {
		for format := range Formats {
			f.Add(uint8(format), []byte(body))
		}
	}
	f.Add(uint8(0), []byte(gzipped(f, string(make([]byte, limit+1)))))
	f.Fuzz(func(t *testing.T, format uint8, body []byte) {
		s := openStore(t, limit)
		err := s.Save(build, Formats[int(format)%len(Formats)], bytes.NewReader(body))
		if err != nil {
			if code := daemon.CodeOf(err); code != daemon.Invalid && code != daemon.TooLarge {
				t.Fatalf("got %v, want the sender to be blamed", err)
			}
			if got := files(t, s); len(got) != 0 {
				t.Fatalf("got the files %v after %v", got, err)
			}
			return
		}
		if got, there := text(t, s, build); !there || len(got) > limit {
			t.Fatalf("got a log of %d bytes, %v", len(got), there)
		}
	})
}
