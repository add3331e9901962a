package narinfo

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

const point = "8D156F295D24B0D9A86FA5741A840FF2D24F60F7B6C4134814AD55625971B394"

// publicKey is a key as libgcrypt prints it.
func publicKey(curve, point string) string {
	return "(public-key \n (ecc \n  (curve " + curve + ")\n  (q #" + point + "#)\n  )\n )\n"
}

func signed(text string) string {
	return "1;example.org;" + base64.StdEncoding.EncodeToString([]byte(text))
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{}},
		{"a key", publicKey("Ed25519", point), []string{point}},
		{"in small letters, on a line", "(public-key(ecc(curve Ed25519)(q #" + strings.ToLower(point) + "#)))", []string{point}},
		{"one on the other curve", publicKey(`"NIST P-256"`, "04AB"), []string{"04AB"}},
		{"a list", "(acl (entry " + publicKey("Ed25519", point) + "(tag (guix import))) (entry " + publicKey(`"NIST P-256"`, "04AB") + "(tag (guix import))))",
			[]string{point, "04AB"}},
		{"another curve", publicKey("Curve448", point), []string{}},
		{"a private key", strings.Replace(publicKey("Ed25519", point), "public", "private", 1), []string{}},
		{"a point that is none", publicKey("Ed25519", "XYZ"), []string{}},
	} {
		if got := Keys([]byte(tt.text)); got == nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKey(t *testing.T) {
	for _, tt := range []struct{ name, signature, want string }{
		{"no signature", "", ""},
		{"one", signed("(signature (data (flags rfc6979)) (sig-val x) " + publicKey("Ed25519", point) + ")"), point},
		{"two keys", signed(publicKey("Ed25519", point) + publicKey("Ed25519", point)), ""},
		{"no key", signed("(signature)"), ""},
		{"no base 64", "1;example.org;!", ""},
		{"too few parts", "1;example.org", ""},
		{"too many parts", signed(publicKey("Ed25519", point)) + ";", ""},
	} {
		if got := (&Info{Signature: tt.signature}).Key(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	// A real one, as guix publish signs.
	info, err := Parse(read(t, "publish-cache.narinfo"))
	if err != nil || len(info.Key()) != 64 {
		t.Errorf("got %v and the key %q of guix publish, want 64 digits", err, info.Key())
	}
}

func TestACL(t *testing.T) {
	t.Setenv("GUIX_CONFIGURATION_DIRECTORY", "")
	if got := ACL(); got != "/etc/guix/acl" {
		t.Errorf("got %s", got)
	}
	t.Setenv("GUIX_CONFIGURATION_DIRECTORY", "/tmp/guix")
	if got := ACL(); got != "/tmp/guix/acl" {
		t.Errorf("got %s", got)
	}
}

func FuzzKey(f *testing.F) {
	f.Add(signed(publicKey("Ed25519", point)))
	f.Add(signed(publicKey(`"NIST P-256"`, point)))
	f.Add("1;x;")
	f.Fuzz(func(t *testing.T, signature string) {
		if key := (&Info{Signature: signature}).Key(); strings.Trim(key, "0123456789ABCDEF") != "" {
			t.Errorf("got the key %q", key)
		}
	})
}
