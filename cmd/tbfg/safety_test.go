package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Who sends nothing, or a byte from time to time, must not keep a connection.
func TestSlowClientsAreCutOff(t *testing.T) {
	for name, begin := range map[string]string{
		"nothing":           "",
		"half a line":       "GET /bui",
		"half a header":     "GET /builds HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"one more, forever": "GET /builds HTTP/1.1\r\nHost: localhost\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipes()
			server := newEndpoint(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
			go server.Serve(l)
			ours, theirs := net.Pipe()
			l.conns <- theirs
			if _, err := io.WriteString(ours, begin); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			go func() {
				for { // a header line each second
					if _, err := io.WriteString(ours, "X-More: 1\r\n"); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			if _, err := io.Copy(io.Discard, ours); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%s: the connection was kept for %v", name, took)
			}
			ours.Close()
			server.Close()
			time.Sleep(2 * time.Second) // until who sends has noticed
		})
	}
}

// pipes is a listener of connections whose time is the bubble's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{} // closed when it is closed
	close func()
}

func newPipes() *pipes {
	done := make(chan struct{})
	return &pipes{make(chan net.Conn), done, sync.OnceFunc(func() { close(done) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestTheSocketAndTheToken(t *testing.T) {
	dir, err := os.MkdirTemp("", "tbfg") // the name of a test's directory is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, token := filepath.Join(dir, "run", "client.socket"), filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("state_dir = %q\n[coordinator]\nagent_listen = ['127.0.0.1:0']\nclient_listen = ['0.0.0.0:0']\n"+
		"client_socket = %q\nclient_token_file = %q\n[front]\nlisten = []\n", dir, socket, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// A socket that a killed daemon left behind.
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &served{dir: dir, pidFile: filepath.Join(dir, "tbfg.pid")}
	s.process = start(t, nil, "tbfg", "serve", "--config="+file, "--pid-file="+s.pidFile)
	s.ready(s.pidFile)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.address("client"), "http://"))
	if err != nil {
		t.Fatal(err)
	}

	if info, err := os.Stat(socket); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("got the socket %v, %v; want one with the mode 0660", info, err)
	}
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte("OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkX\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := "--coordinator=http://" + net.JoinHostPort(anotherAddress(t), port)
	for _, tt := range []struct {
		args []string
		want bool
	}{
		{[]string{"--coordinator=unix:" + socket}, true},
		{[]string{"--coordinator=http://127.0.0.1:" + port}, true},
		{[]string{elsewhere}, false},
		{[]string{elsewhere, "--token-file=" + wrong}, false},
		{[]string{elsewhere, "--token-file=" + token}, true},
	} {
		out, err := inProcess(t, append([]string{"tbfg", "agent", "list"}, tt.args...)...)
		if (err == nil) != tt.want {
			t.Errorf("%v: got %q, %v; want success: %v", tt.args, out, err, tt.want)
		}
	}
	s.stop(syscall.SIGTERM)
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("after the end: got %v, want no socket", err)
	}
}

// anotherAddress is an address of this machine that is not on loopback.
func anotherAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}
