package base32

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// The longer pairs are what "guix hash" and "guix hash -f base16" of Guix 1.5.0
// print for a file with the text "hello\n" and for an empty one.
var pairs = []struct{ name, hex, text string }{
	{"nothing", "", ""},
	{"a zero", "00", "00"},
	{"all ones", "ff", "7z"},
	{"the first byte comes last", "01000000", "0000001"},
	{"five bytes fill eight digits", "ffffffffff", "zzzzzzzz"},
	{"a SHA-256", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", "00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq"},
	{"the SHA-256 of nothing", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"},
}

func TestEncode(t *testing.T) {
	for _, tt := range pairs {
		t.Run(tt.name, func(t *testing.T) {
			src, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			if got := Encode(src); got != tt.text {
				t.Errorf("got %q, want %q", got, tt.text)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range pairs {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.text)
			if hex.EncodeToString(got) != tt.hex || err != nil {
				t.Errorf("got %x, %v, want %s", got, err, tt.hex)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, error string }{
		{"letters left out of the alphabet", "0e", "not a digit"},
		{"upper case", "0A", "not a digit"},
		{"a byte above ASCII", "\xff0", "not a digit"},
		{"a length that no number of bytes has", "000", "no whole bytes"},
		{"one digit", "0", "no whole bytes"},
		{"bits beyond the last byte", "zz", "bits left over"},
		{"a bit beyond the last byte", "80", "bits left over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.error) || got != nil {
				t.Errorf("got %x, %v, want an error with %q", got, err, tt.error)
			}
		})
	}
}

func TestLengths(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 2, 5: 8, 20: 32, 32: 52, 64: 103} {
		if got := EncodedLen(n); got != want {
			t.Errorf("EncodedLen(%d): got %d, want %d", n, got, want)
		}
		if got := DecodedLen(want); got != n {
			t.Errorf("DecodedLen(%d): got %d, want %d", want, got, n)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("hello\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := Decode(Encode(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Errorf("%x comes back as %x, %v", src, got, err)
		}
	})
}

// Each value has one spelling: what can be decoded is what Encode prints.
func FuzzDecode(f *testing.F) {
	for _, tt := range pairs {
		f.Add(tt.text)
	}
	f.Add("zz")
	f.Fuzz(func(t *testing.T, text string) {
		src, err := Decode(text)
		if err != nil {
			return
		}
		if got := Encode(src); got != text {
			t.Errorf("%q is printed as %q", text, got)
		}
	})
}
