package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Socket is the name on the host of guix-daemon's socket.
func (m *Machine) Socket() string { return m.Path("/var/guix/daemon-socket/socket") }

// Daemon starts guix-daemon and waits until it accepts connections. It builds
// in isolation, as the machine's own build users, and uses no
// substitutes unless an argument names servers with --substitute-urls=. The
// context is for the waiting only: the daemon runs until StopDaemon or Close.
func (m *Machine) Daemon(ctx context.Context, args ...string) (*Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.daemon != nil {
		select {
		case <-m.daemon.Done():
		default:
			return nil, errors.New("start guix-daemon: it is running already")
		}
	}
	argv := []string{"--build-users-group=guixbuild"}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--substitute-urls=") }) {
		argv = append(argv, "--no-substitutes")
	}
	p, err := m.launch("guix-daemon", m.Command(context.Background(), "guix-daemon", append(argv, args...)...))
	if err != nil {
		return nil, err
	}
	if err := p.WaitAccept(ctx, "unix", m.Socket()); err != nil {
		p.Kill()
		return nil, err
	}
	m.daemon = p
	return p, nil
}

// StopDaemon stops guix-daemon with all that it started, its servants of single
// connections and their builders, as a service manager does. Afterwards
// Daemon can start another one on the same store.
func (m *Machine) StopDaemon() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.daemon == nil {
		return nil
	}
	m.daemon.Stop(5 * time.Second)
	m.daemon = nil
	// The servants are sessions of their own, and builders have no tie to the daemon at all.
	err := killAll(m.dir, func(p proc) bool { return p.program == "guix-daemon" || p.building })
	if err != nil {
		return fmt.Errorf("stop guix-daemon: %w", err)
	}
	return nil
}
