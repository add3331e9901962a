package front

import (
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTail(t *testing.T) {
	line := func(n, length int) string { return fmt.Sprintf("%0*d\n", length-1, n) }
	var many strings.Builder // 3 MB
	for n := range 30_000 {
		many.WriteString(line(n, 100))
	}
	whole := many.String()
	long := strings.Repeat("x", 3*maxTailBytes)
	for _, test := range []struct {
		name, text string
		lines      int
		want       string
	}{
		{"nothing of nothing", "", 3, ""},
		{"all there is", "a\nb\n", 3, "a\nb\n"},
		{"just all there is", "a\nb\n", 2, "a\nb\n"},
		{"the last line", "a\nb\n", 1, "b\n"},
		{"a last line without an end", "a\nb", 1, "b"},
		{"two of which the last has no end", "a\nb\nc", 2, "b\nc"},
		{"empty lines", "a\n\n\n", 2, "\n\n"},
		{"the end of a long text", whole, 3, line(29_997, 100) + line(29_998, 100) + line(29_999, 100)},
		{"whole lines where the bytes are too many", whole, 30_000, whole[len(whole)-maxTailBytes/100*100:]},
		{"the end of one endless line", long, 1, long[:maxTailBytes]},
		{"the end of a line that is too long", "a\n" + long + "\n", 2, long[:maxTailBytes-1] + "\n"},
	} {
		for name, reader := range map[string]*strings.Reader{"at once": strings.NewReader(test.text), "in halves": strings.NewReader(test.text)} {
			got, err := tail(reader, test.lines)
			if name == "in halves" {
				reader.Seek(0, 0)
				got, err = tail(iotest.HalfReader(reader), test.lines)
			}
			if err != nil || string(got) != test.want {
				t.Errorf("%s, %s: got %.60q… of %d bytes, %v, want %.60q… of %d", test.name, name, got, len(got), err, test.want, len(test.want))
			}
		}
	}
}
