package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/config"
)

// A certificate is what the agents' port shows to those who connect. New
// connections get what the files last held; those that exist go on.
type certificate struct {
	file, key string
	current   atomic.Pointer[tls.Certificate]
}

// openCertificate reads a certificate and its key, and heeds it until ctx
// ends when they are replaced.
func openCertificate(ctx context.Context, file, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{file: file, key: key}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	for _, watched := range []string{file, key} {
		go func() {
			if err := config.Watch(ctx, watched, func() { c.reload(log) }); err != nil {
				log.Error("a new certificate will not be noticed", "err", err)
			}
		}()
	}
	return c, nil
}

// reload heeds what may have changed. Between the replacement of one file and
// of the other they do not fit.
func (c *certificate) reload(log *slog.Logger) {
	switch changed, err := c.load(); {
	case err != nil:
		log.Warn("going on with the certificate there was", "err", err)
	case changed:
		log.Info("agents are shown a new certificate", "file", c.file,
			"expires", c.current.Load().Leaf.NotAfter.UTC().Format(time.DateTime))
	}
}

// load tells whether the certificate is another than before.
func (c *certificate) load() (changed bool, err error) {
	loaded, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		return false, fmt.Errorf("load the certificate %s with the key %s: %w", c.file, c.key, err)
	}
	old := c.current.Swap(&loaded)
	return old == nil || !old.Leaf.Equal(loaded.Leaf), nil
}

// wrap makes a listener serve https.
func (c *certificate) wrap(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}
