package config

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret is more than any password or token has, in bytes.
const maxSecret = 4096

// ReadSecret reads a file that holds a password or token, on one line. The
// warning, if there is one, says how to keep others from reading it.
func ReadSecret(file string) (secret, warning string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", fmt.Errorf("read the secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", "", fmt.Errorf("read the secret: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", "", fmt.Errorf("read the secret: %w", err)
	}
	if len(text) > maxSecret {
		return "", "", fmt.Errorf("read the secret: %s must hold one line of at most %d bytes", file, maxSecret)
	}
	secret = strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\n\r") {
		return "", "", fmt.Errorf("read the secret: %s must hold one line", file)
	}
	if info.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("%s can be read by others (mode %04o); run: chmod 600 %s", file, info.Mode().Perm(), file)
	}
	return secret, warning, nil
}
