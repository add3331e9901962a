package narinfo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// A SigningKey signs narinfos, by ECDSA on the curve P-256.
//
// Guix takes signatures of all kinds that libgcrypt knows (guix/pki.scm). The
// keys that it makes itself are for ECDSA too, but on the curve of Ed25519, for
// which Go has EdDSA only.
type SigningKey struct {
	private *ecdsa.PrivateKey
	point   string // in capital hexadecimal digits
}

// NewSigningKey makes a key at random.
func NewSigningKey() (*SigningKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return newSigningKey(private)
}

func newSigningKey(private *ecdsa.PrivateKey) (*SigningKey, error) {
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return &SigningKey{private, fmt.Sprintf("%X", point)}, nil
}

// privateKey matches a private key's point and its number.
var privateKey = regexp.MustCompile(`^\s*\(\s*private-key\s*\(\s*ecc\s*\(\s*curve\s+"NIST P-256"\s*\)\s*` +
	`\(\s*q\s+#([0-9A-Fa-f]+)#\s*\)\s*\(\s*d\s+#([0-9A-Fa-f]+)#\s*\)\s*\)\s*\)\s*$`)

// ParseSigningKey reads what [SigningKey.Private] returns, or what "guix archive
// --generate-key" writes for a key on this curve. The error has nothing of the
// text in it.
func ParseSigningKey(text string) (*SigningKey, error) {
	m := privateKey.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New(`read a signing key: it is not (private-key (ecc (curve "NIST P-256") (q …) (d …)))`)
	}
	var number [32]byte // libgcrypt writes as few digits as will do, and a zero before high ones
	digits := strings.TrimLeft(m[2], "0")
	if len(digits) > 2*len(number) {
		return nil, errors.New("read a signing key: its number is too large")
	}
	digits = strings.Repeat("0", 2*len(number)-len(digits)) + digits
	if _, err := hex.Decode(number[:], []byte(digits)); err != nil {
		return nil, fmt.Errorf("read a signing key: %w", err)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), number[:])
	if err != nil {
		return nil, fmt.Errorf("read a signing key: %w", err)
	}
	k, err := newSigningKey(private)
	if err == nil && k.point != strings.ToUpper(m[1]) {
		err = errors.New("read a signing key: its two parts do not belong together")
	}
	return k, err
}

// Private is the key as a line of text, to be kept from others. "guix publish
// --private-key" reads it too.
func (k *SigningKey) Private() (string, error) {
	number, err := k.private.Bytes()
	if err != nil {
		return "", fmt.Errorf("write a signing key: %w", err)
	}
	return fmt.Sprintf(`(private-key (ecc (curve "NIST P-256") (q #%s#) (d #%X#)))`, k.point, number), nil
}

// Public is the line of text that "guix archive --authorize" reads.
func (k *SigningKey) Public() string {
	return fmt.Sprintf(`(public-key (ecc (curve "NIST P-256") (q #%s#)))`, k.point)
}

// Sign puts a signature into an Info, for its normative text. The host is only
// told to people.
func (i *Info) Sign(k *SigningKey, host string) error {
	hash := sha256.Sum256(i.Normative())
	// Without a source of random numbers it is made as RFC 6979 says, and the
	// same each time.
	der, err := k.private.Sign(nil, hash[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("sign a narinfo: %w", err)
	}
	var value struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &value); err != nil {
		return fmt.Errorf("sign a narinfo: %w", err)
	}
	text := fmt.Sprintf("(signature (data (flags rfc6979) (hash sha256 #%X#)) (sig-val (ecdsa (r #%064X#) (s #%064X#))) %s)",
		hash, value.R, value.S, k.Public())
	i.Signature = "1;" + host + ";" + base64.StdEncoding.EncodeToString([]byte(text))
	return nil
}
