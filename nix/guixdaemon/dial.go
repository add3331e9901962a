package guixdaemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// DefaultSocket is where guix-daemon listens unless told otherwise.
const DefaultSocket = "/var/guix/daemon-socket/socket"

// defaultPort is that of the guix:// scheme (guix/store.scm).
const defaultPort = "44146"

// Dial connects to the daemon at address and performs the handshake: a file
// name, unix://FILE or file://FILE for a socket, guix://HOST[:PORT] for TCP.
// An empty address means $GUIX_DAEMON_SOCKET or else [DefaultSocket].
//
// The context is for connecting; the connection outlives it.
func Dial(ctx context.Context, address string) (*Conn, error) {
	if address == "" {
		address = os.Getenv("GUIX_DAEMON_SOCKET")
	}
	if address == "" {
		address = DefaultSocket
	}
	network, where, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	nc, err := new(net.Dialer).DialContext(ctx, network, where)
	if err != nil {
		return nil, dialError(ctx, address, err)
	}
	c, err := NewConn(ctx, nc)
	if err != nil {
		return nil, fmt.Errorf("connect to guix-daemon at %s: %w", address, err)
	}
	return c, nil
}

// dialError says what the system's error means to whoever runs the program.
func dialError(ctx context.Context, address string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("connect to guix-daemon at %s: %w", address, context.Cause(ctx))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no guix-daemon listens at %s: %w", address, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to connect to guix-daemon at %s: %w", address, err)
	}
	return fmt.Errorf("connect to guix-daemon at %s: %w", address, err)
}

// parseAddress finds the network and the address in it that s names. File
// names in URIs are taken as they stand, like Guix does.
func parseAddress(s string) (network, address string, err error) {
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case !found:
		network, address = "unix", s
	case scheme == "unix" || scheme == "file":
		if !strings.HasPrefix(rest, "/") {
			return "", "", fmt.Errorf("daemon address %q: want %s:/// and a file name", s, scheme)
		}
		network, address = "unix", rest
	case scheme == "guix":
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			return "", "", fmt.Errorf("daemon address %q: want guix://HOST or guix://HOST:PORT", s)
		}
		port := u.Port()
		if port == "" {
			port = defaultPort
		}
		return "tcp", net.JoinHostPort(u.Hostname(), port), nil
	default:
		return "", "", fmt.Errorf("daemon address %q: the scheme %q is not supported", s, scheme)
	}
	// sun_path has 108 bytes, one of them NUL; the system only says EINVAL.
	if len(address) > 107 {
		return "", "", fmt.Errorf("daemon address %q: a socket's file name has at most 107 bytes", s)
	}
	return network, address, nil
}
