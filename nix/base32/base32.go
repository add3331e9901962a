// Package base32 is the base-32 encoding of Nix and Guix: its own alphabet,
// and the bytes in reverse order (nix/libutil/hash.cc, printHash32).
package base32

import "fmt"

// Alphabet is the 32 digits, which leave out e, o, u and t.
const Alphabet = "0123456789abcdfghijklmnpqrsvwxyz"

// EncodedLen is the number of characters that n bytes take.
func EncodedLen(n int) int { return (n*8 + 4) / 5 }

// DecodedLen is the number of bytes that n characters hold.
func DecodedLen(n int) int { return n * 5 / 8 }

// Encode returns the encoding of src.
func Encode(src []byte) string {
	n := EncodedLen(len(src))
	dst := make([]byte, n)
	for i := range n {
		b := uint(n-1-i) * 5
		at, shift := b/8, b%8
		c := uint(src[at]) >> shift
		if at+1 < uint(len(src)) {
			c |= uint(src[at+1]) << (8 - shift)
		}
		dst[i] = Alphabet[c&31]
	}
	return string(dst)
}

// digit maps a character to its value plus one; zero means no digit.
var digit = func() (t [256]byte) {
	for i := range len(Alphabet) {
		t[Alphabet[i]] = byte(i) + 1
	}
	return t
}()

// Decode returns the bytes that s encodes. It refuses characters outside
// the alphabet, lengths that no number of bytes has, and non-zero excess bits.
func Decode(s string) ([]byte, error) {
	dst := make([]byte, DecodedLen(len(s)))
	if EncodedLen(len(dst)) != len(s) {
		return nil, fmt.Errorf("decode base 32: no whole bytes in %d characters", len(s))
	}
	for i := range len(s) {
		v := digit[s[len(s)-1-i]]
		if v == 0 {
			return nil, fmt.Errorf("decode base 32: %q is not a digit", s[len(s)-1-i])
		}
		c, b := uint(v-1), uint(i)*5
		at, shift := b/8, b%8
		dst[at] |= byte(c << shift)
		if carry := c >> (8 - shift); carry != 0 {
			if at+1 >= uint(len(dst)) {
				return nil, fmt.Errorf("decode base 32: bits left over")
			}
			dst[at+1] |= byte(carry)
		}
	}
	return dst, nil
}
