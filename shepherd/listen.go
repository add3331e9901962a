package shepherd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets are the listening sockets that the process inherited, by the names
// that the service manager gave them.
type Sockets map[string][]net.Listener

// Inherit takes the inherited sockets (LISTEN_FDS); it can be done once.
func Inherit() (Sockets, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("take the inherited sockets: %w", err)
	}
	return named, nil
}

// ListenUnix listens on a unix socket for those of a group; an empty name
// stands for the process's own. The socket appears with its final mode, in the
// place of one that was left behind. Whoever calls knows that nobody listens
// there.
func ListenUnix(file, group string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	temporary := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make the socket %s: %w", file, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w", file, err)
	}
	l.SetUnlinkOnClose(false) // it would remove the temporary name
	if err := showSocket(temporary, file, group); err != nil {
		return nil, errors.Join(fmt.Errorf("make the socket %s: %w", file, err), l.Close(), os.Remove(temporary))
	}
	return unixListener{l, file}, nil
}

// showSocket lets a group use a socket and gives it its name. It can be used by
// nobody but its owner before, unless the umask is a strange one.
func showSocket(temporary, file, group string) error {
	if err := os.Chmod(temporary, 0o600); err != nil {
		return err
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return err
		}
		if err := os.Chown(temporary, -1, gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(temporary, 0o660); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// unixListener removes its socket when it is closed.
type unixListener struct {
	net.Listener
	file string
}

func (l unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.file, Net: "unix"} }

func (l unixListener) Close() error {
	err := l.Listener.Close()
	if err == nil {
		err = os.Remove(l.file)
	}
	return err
}

// Listen returns the inherited sockets of a name or, if there are none,
// listens on the given TCP addresses.
func (s Sockets) Listen(name string, addresses []string) ([]net.Listener, error) {
	if inherited := s[name]; len(inherited) > 0 {
		return inherited, nil
	}
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range listeners {
				err = errors.Join(err, l.Close())
			}
			return nil, fmt.Errorf("listen for %ss: %w", name, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}
