package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
)

// openKeys takes the clients' token and the signing key from their files, and
// makes those that are not there.
func (f *farm) openKeys(ctx context.Context) (err error) {
	if err := f.secrets.Make(secrets.SigningKey, newSigningKey); err != nil {
		return err
	}
	if f.signingKey, err = heed(ctx, "the signing key", f.secrets.File(secrets.SigningKey), readSigningKey, f.log); err != nil {
		return err
	}
	if f.conf.Coordinator.ClientToken == "" {
		if err := f.secrets.Make(secrets.ClientToken, newClientToken); err != nil {
			return err
		}
	}
	f.clientToken, err = heed(ctx, "the clients' token", tokenFile(f.conf), readClientToken(f.log), f.log)
	return err
}

// rotateKey makes a signing key or a client token anew.
func (f *farm) rotateKey(name string, secret func() (string, error), heeded interface{ reread() }) error {
	if file := f.conf.Coordinator.ClientToken; name == secrets.ClientToken && file != "" {
		return daemon.Errorf(daemon.Conflict, "the clients' token is in %s (coordinator.client_token_file): write another there", file)
	}
	text, err := secret()
	if err != nil {
		return err
	}
	if err := f.secrets.Write(name, text); err != nil {
		return err
	}
	heeded.reread()
	return nil
}

func newSigningKey() (string, error) {
	key, err := narinfo.NewSigningKey()
	if err != nil {
		return "", err
	}
	return key.Private()
}

func readSigningKey(file string) (*narinfo.SigningKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return narinfo.ParseSigningKey(string(text))
}

// minToken is how many bytes the clients' token must have.
const minToken = 20

func newClientToken() (string, error) { return rand.Text(), nil }

func readClientToken(log *slog.Logger) func(file string) (string, error) {
	told := "" // the last warning; the file is read again when nothing has changed, too
	return func(file string) (string, error) {
		token, warning, err := config.ReadSecret(file)
		if err != nil {
			return "", err
		}
		if warning != "" && warning != told {
			log.Warn(warning)
		}
		told = warning
		if len(token) < minToken {
			return "", fmt.Errorf("it has %d bytes, which can be guessed: make it at least %d", len(token), minToken)
		}
		return token, nil
	}
}
