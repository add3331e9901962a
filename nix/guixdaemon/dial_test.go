package guixdaemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, test := range []struct{ in, network, address, err string }{
		{in: "/var/guix/socket", network: "unix", address: "/var/guix/socket"},
		{in: "relative/socket", network: "unix", address: "relative/socket"},
		{in: "unix:///var/guix/socket", network: "unix", address: "/var/guix/socket"},
		{in: "file:///var/a%20b", network: "unix", address: "/var/a%20b"},
		{in: "guix://farm.example", network: "tcp", address: "farm.example:44146"},
		{in: "guix://farm.example:1234/", network: "tcp", address: "farm.example:1234"},
		{in: "guix://[::1]", network: "tcp", address: "[::1]:44146"},
		{in: "guix://", err: "want guix://HOST"},
		{in: "guix://farm.example/path", err: "want guix://HOST"},
		{in: "guix://root@farm.example", err: "want guix://HOST"},
		{in: "unix://host/socket", err: "want unix:///"},
		{in: "ssh://farm.example", err: `scheme "ssh" is not supported`},
		{in: "/" + strings.Repeat("x", 107), err: "at most 107 bytes"},
	} {
		network, address, err := parseAddress(test.in)
		if network != test.network || address != test.address {
			t.Errorf("%s: got %s %s, want %s %s", test.in, network, address, test.network, test.address)
		}
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got error %v, want %q", test.in, err, test.err)
		}
	}
}

func TestDialTakesTheSocketFromTheEnvironment(t *testing.T) {
	script := hello(Version)
	t.Setenv("GUIX_DAEMON_SOCKET", "unix://"+listen(t, func(nc net.Conn) error { return play(nc, script) }))
	c, err := Dial(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestDialOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			err = play(nc, hello(Version))
		}
		done <- err
	}()
	c, err := Dial(context.Background(), "guix://"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDialErrorsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := Dial(context.Background(), filepath.Join(dir, "s"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no guix-daemon listens at "+dir) {
		t.Errorf("no socket: got %v", err)
	}

	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	_, err = Dial(context.Background(), filepath.Join(dir, "s"))
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "no guix-daemon listens at "+dir) {
		t.Errorf("a dead socket: got %v", err)
	}

	// Root, who runs tests in containers, is refused nothing.
	denied := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}
	err = dialError(context.Background(), "/s", denied)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "not allowed to connect to guix-daemon at /s") {
		t.Errorf("a forbidden socket: got %v", err)
	}

	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("shutting down")
	cancel(reason)
	if _, err = Dial(ctx, filepath.Join(dir, "s")); !errors.Is(err, reason) {
		t.Errorf("an ended context: got %v, want %v", err, reason)
	}
}

func TestHandshakeErrorsSayWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		answer []byte
		err    string
		is     error
	}{
		"not a guix-daemon":   {answer: []byte("HTTP/1.1 400 Bad Request\r\n"), err: "not a guix-daemon"},
		"another major":       {answer: wire(serverMagic, 0x264), err: "0x264, this client 0x164: the major parts differ"},
		"a version beyond":    {answer: wire(serverMagic, uint64(1)<<32|0x164), err: "the major parts differ"},
		"too old":             {answer: wire(serverMagic, 0x10e), err: "0x10e, which is too old"},
		"it leaves at once":   {is: io.ErrUnexpectedEOF, err: "handshake: guix-daemon closed the connection"},
		"it leaves later":     {answer: wire(serverMagic, 0x164), is: io.ErrUnexpectedEOF},
		"its database fails":  {answer: wire(serverMagic, 0x164, stderrError, "cannot open the database", 1), err: "handshake: guix-daemon: cannot open the database"},
		"it fails very early": {answer: wire(serverMagic, 0x164, stderrError, "schema"), err: "handshake: guix-daemon: schema"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := listen(t, func(nc net.Conn) error {
				defer nc.Close()
				// What the client writes later may stay unread, as with
				// a daemon that gives up.
				if _, err := io.ReadFull(nc, make([]byte, 8)); err != nil {
					return err
				}
				_, err := nc.Write(test.answer)
				return err
			})
			c, err := Dial(context.Background(), socket)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), test.err) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %q, %v", err, test.err, test.is)
			}
		})
	}
}
