package derivation

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Parse accepts is the one spelling of what it means.
func FuzzParse(f *testing.F) {
	for _, text := range fixtures(f) {
		if len(text) < 1000 { // the fuzzer would spend its time on shortening the others
			f.Add(text)
			f.Add(text[:len(text)/2])
		}
	}
	f.Add([]byte(`Derive([("out","/a/00000000000000000000000000000000-x","","")],[],[],"","",[],[])`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if e := new(Links).Parse(text); (e == nil) != (err == nil) {
			t.Errorf("only the links: got the error %v, want %v", e, err)
		}
		if err != nil {
			if d != nil || len(err.Error()) > 10_000 {
				t.Errorf("got %v and an error of %d bytes", d, len(err.Error()))
			}
			return
		}
		if got := d.Bytes(); !bytes.Equal(got, text) {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

// What is printed means what it meant before. Whatever the strings hold: only
// a NUL cannot be said.
func FuzzBytes(f *testing.F) {
	f.Add("x86_64-linux", "/bin/sh", "-c", "echo \"\\\n\r\t\"", "é\xff")
	f.Fuzz(func(t *testing.T, system, builder, arg, name, value string) {
		d := &Derivation{
			Outputs: []Output{{Name: "out", Path: "/gnu/store/00000000000000000000000000000000-x"}},
			System:  system,
			Builder: builder,
			Args:    []string{arg, value},
			Env:     []EnvVar{{name, value}},
		}
		nul := slices.ContainsFunc([]string{system, builder, arg, name, value}, func(s string) bool {
			return bytes.IndexByte([]byte(s), 0) >= 0
		})
		got, err := Parse(d.Bytes())
		if (err != nil) != nul {
			t.Fatalf("got %v", err)
		}
		if diff := cmp.Diff(d, got); err == nil && diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var texts [][]byte
	for _, text := range fixtures(b) {
		texts = append(texts, text)
	}
	size := len(bytes.Join(texts, nil))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, err := Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(texts)*b.N)/b.Elapsed().Seconds(), "drvs/s")
}

func BenchmarkBytes(b *testing.B) {
	drvs := parsed(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range drvs {
			buf = d.Append(buf[:0])
		}
	}
}
