package narinfo

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// key matches the point of a public key in an s-expression: on the curve of the
// keys that Guix makes, or of those of [SigningKey].
var key = regexp.MustCompile(`\(\s*public-key\s*\(\s*ecc\s*\(\s*curve\s+(?:Ed25519|"NIST P-256")\s*\)\s*\(\s*q\s+#([0-9A-Fa-f]+)#`)

// Keys are the points of the public keys in a text, such as an access control
// list, in capital hexadecimal digits; never nil.
func Keys(text []byte) []string {
	keys := []string{}
	for _, m := range key.FindAllSubmatch(text, -1) {
		keys = append(keys, strings.ToUpper(string(m[1])))
	}
	return keys
}

// Key is the key that made the signature, "1;HOST;BASE64", as in [Keys]; empty
// if there is none.
func (i *Info) Key() string {
	parts := strings.Split(i.Signature, ";")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return ""
	}
	if keys := Keys(text); len(keys) == 1 {
		return keys[0]
	}
	return ""
}

// ACL is the file with the keys whose signatures guix-daemon accepts
// (guix/config.scm and guix/pki.scm).
func ACL() string {
	dir := os.Getenv("GUIX_CONFIGURATION_DIRECTORY")
	if dir == "" {
		dir = "/etc/guix"
	}
	return filepath.Join(dir, "acl")
}
