package shepherd

import (
	"errors"
	"fmt"
	"net"

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
