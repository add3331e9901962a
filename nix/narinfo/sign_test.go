package narinfo

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// blank is what does not matter in an s-expression of keys and signatures.
var blank = regexp.MustCompile(`\s*([()])\s*|\s+`)

func squeezed(text string) string { return blank.ReplaceAllString(text, "$1 ") }

func sampleKey(t testing.TB) *SigningKey {
	t.Helper()
	k, err := ParseSigningKey(string(read(t, "libgcrypt.key")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Both take their random number from the key and the text, by RFC 6979.
func TestSignaturesAreThoseOfLibgcrypt(t *testing.T) {
	info, err := Parse([]byte(item))
	if err != nil {
		t.Fatal(err)
	}
	k := sampleKey(t)
	if err := info.Sign(k, "farm.example"); err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(info.Signature, "1;farm.example;")
	text, err := base64.StdEncoding.DecodeString(rest)
	if err != nil || !ok {
		t.Fatalf("got %q, %v", info.Signature, err)
	}
	if got, want := squeezed(string(text)), squeezed(string(read(t, "libgcrypt.signature"))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if keys := Keys([]byte(k.Public())); len(keys) != 1 || info.Key() != keys[0] {
		t.Errorf("got the key %s, want that of %s", info.Key(), k.Public())
	}
	again, err := Parse(info.Text())
	if err != nil || string(again.Signed()) != item {
		t.Errorf("got %v, signed %q, want the whole record signed", err, again.Signed())
	}
}

func TestSigningKeysAreReadAsTheyWereWritten(t *testing.T) {
	for range 300 { // one in 256 has a number that begins with a zero
		k, err := NewSigningKey()
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.Private()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSigningKey(text + "\n")
		if err != nil || !again.private.Equal(k.private) || again.Public() != k.Public() {
			t.Fatalf("got %v for %s", err, text)
		}
	}
	if !strings.Contains(sampleKey(t).Public(), sampleKey(t).point) {
		t.Error("the public key lacks its point")
	}
}

func TestParseSigningKeyRefuses(t *testing.T) {
	good := string(read(t, "libgcrypt.key"))
	other, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "it is not (private-key"},
		{"a public key", other.Public(), "it is not (private-key"},
		{"another curve", strings.Replace(good, `"NIST P-256"`, "Ed25519", 1), "it is not (private-key"},
		{"more behind it", good + good, "it is not (private-key"},
		{"a number of nothing", regexp.MustCompile(`d #[^#]*#`).ReplaceAllString(good, "d #00#"), "read a signing key: "},
		{"a number beyond the order", regexp.MustCompile(`d #[^#]*#`).ReplaceAllString(good, "d #"+strings.Repeat("F", 64)+"#"), "read a signing key: "},
		{"a number that is too long", regexp.MustCompile(`d #[^#]*#`).ReplaceAllString(good, "d #1"+strings.Repeat("0", 64)+"#"), "too large"},
		{"another's point", regexp.MustCompile(`q #[^#]*#`).ReplaceAllString(good, "q #"+other.point+"#"), "do not belong together"},
	} {
		_, err := ParseSigningKey(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if err != nil && regexp.MustCompile(`[0-9A-F]{16}`).MatchString(err.Error()) {
			t.Errorf("%s: the error tells of the key: %v", tt.name, err)
		}
	}
}

func FuzzParseSigningKey(f *testing.F) {
	f.Add(string(read(f, "libgcrypt.key")))
	f.Add(`(private-key (ecc (curve "NIST P-256") (q #04#) (d #1#)))`)
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseSigningKey(text)
		if err != nil {
			return
		}
		written, err := k.Private()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseSigningKey(written); err != nil || !again.private.Equal(k.private) {
			t.Fatalf("what it writes cannot be read: %v", err)
		}
	})
}
