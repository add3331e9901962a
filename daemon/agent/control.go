package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ControlSocket is the name, in the spool directory, of the socket at which an
// agent answers questions about itself. It speaks HTTP, for the agent's own
// user only.
const ControlSocket = "agent.sock"

// controlTimeout is how long an answer may take.
const controlTimeout = 10 * time.Second

// alone makes sure that no other agent uses the spool directory: two would
// spoil each other's work.
func alone(spool string) error {
	if other, err := Ask(context.Background(), filepath.Join(spool, ControlSocket)); err == nil {
		return fmt.Errorf("start agent: the agent %s uses the spool directory %s already", other.UUID, spool)
	}
	return nil
}

// serveControl answers questions until the returned function is called. Work
// does not depend on it: where the socket cannot be made the agent does
// without.
func (a *Agent) serveControl() (stop func()) {
	file := filepath.Join(a.SpoolDir, ControlSocket)
	_ = os.Remove(file) // a killed agent's
	l, err := listenUnix(file)
	if err != nil {
		a.Log.Warn("\"tbfg agent status\" cannot ask this agent", "err", err)
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.Report()) // whoever asked may be gone
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: controlTimeout, WriteTimeout: controlTimeout, IdleTimeout: controlTimeout,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug)}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Warn("\"tbfg agent status\" cannot ask this agent any more", "err", err)
		}
	}()
	return func() {
		server.Close()
		_ = os.Remove(file)
	}
}

// short calls use with another name of a socket, one that is not too long for
// the system: it has room for 107 bytes.
func short(file string, use func(name string) error) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(file)))
}

func listenUnix(file string) (l *net.UnixListener, err error) {
	err = short(file, func(name string) (err error) {
		if l, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"}); err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)                    // by that name
		if err = os.Chmod(file, 0o600); err != nil { // in a directory that others cannot enter
			l.Close()
		}
		return err
	})
	return l, err
}

// maxReport bounds an answer, in bytes: some hundred for each of the builds
// that an agent can hold.
const maxReport = 4 << 20

// Ask asks the agent at a control socket how it is.
func Ask(ctx context.Context, socket string) (r Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			err = short(socket, func(name string) (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, "unix", name)
				return err
			})
			return conn, err
		}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/status", nil)
	if err != nil {
		return r, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return r, fmt.Errorf("ask the agent at %s: %w", socket, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("ask the agent at %s: it answers %s", socket, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReport)).Decode(&r); err != nil {
		return r, fmt.Errorf("ask the agent at %s: the answer makes no sense: %w", socket, err)
	}
	return r, nil
}
