package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// A Publisher is a substitute server: guix publish on a machine's store.
type Publisher struct {
	*Process
	URL string // http://127.0.0.1:PORT
	Key string // the public key it signs with, an s-expression
}

// Publish starts guix publish on a free port of the loopback interface and
// waits until it answers. It signs with the machine's own key, made
// the first time. Arguments such as --compression=zstd:3 are passed on. The
// context is for the waiting only: the server runs until it is stopped or
// the machine is closed.
func (m *Machine) Publish(ctx context.Context, args ...string) (*Publisher, error) {
	key, err := m.SigningKey(ctx)
	if err != nil {
		return nil, err
	}
	// A port is free until somebody else takes it: then the server ends, and another port is tried.
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, fmt.Errorf("start guix publish: %w", err)
		}
		p, err := m.Launch("guix-publish", m.Command(context.Background(), "guix", append([]string{
			"publish", "--listen=127.0.0.1", "--port=" + port}, args...)...))
		if err != nil {
			return nil, err
		}
		pub := &Publisher{Process: p, URL: "http://127.0.0.1:" + port, Key: key}
		err = p.poll(ctx, "answer at "+pub.URL, func() bool { return answers(ctx, pub.URL+"/nix-cache-info") })
		if err == nil {
			return pub, nil
		}
		p.Kill()
		if try == 3 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// SigningKey is the public key that the machine signs substitutes and exports
// with, an s-expression. The pair is made when there is none.
func (m *Machine) SigningKey(ctx context.Context) (string, error) {
	file := m.Path("/etc/guix/signing-key.pub")
	key, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := m.Run(ctx, "guix", "archive", "--generate-key"); err != nil {
			return "", err
		}
		key, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fmt.Errorf("read signing key: %w", err)
	}
	return string(key), nil
}

// Authorize makes the machine accept what is signed with a key, given by
// its public part, an s-expression. The daemon heeds it at once.
func (m *Machine) Authorize(ctx context.Context, key string) error {
	_, err := m.RunInput(ctx, key, "guix", "archive", "--authorize")
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// client keeps no connections: guix publish before 1.5 serves them one by one.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}
