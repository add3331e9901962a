package coordinator

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// newSecret is a password or token: 240 random bits, 40 characters of the
// URL-safe base64 alphabet, as upstream's are.
func newSecret() string {
	bits := make([]byte, 30)
	rand.Read(bits) // never fails
	return base64.RawURLEncoding.EncodeToString(bits)
}

// A secret is stored as "sha256:SALT:HASH", both in URL-safe base64. A slow
// hash would protect nothing more: nobody guesses 240 random bits.
const hashScheme = "sha256"

// HashSecret is what is stored of a secret; it differs from call to call.
func HashSecret(secret string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	return strings.Join([]string{hashScheme, base64.RawURLEncoding.EncodeToString(salt), digest(salt, secret)}, ":")
}

// CheckSecret compares in a time that tells nothing of the stored hash.
func CheckSecret(hash, secret string) bool {
	scheme, rest, _ := strings.Cut(hash, ":")
	text, sum, _ := strings.Cut(rest, ":")
	salt, err := base64.RawURLEncoding.DecodeString(text)
	if scheme != hashScheme || err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(digest(salt, secret)), []byte(sum)) == 1
}

func digest(salt []byte, secret string) string {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
