package front

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newServer is a server as the farm has it.
func newServer(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Listener = Listen(server.Listener)
	server.Config.ConnContext = ConnContext
	server.Start()
	return server
}

// pair is a connection from Listen, and its other end.
func pair(t *testing.T) (*conn, *net.TCPConn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(plain)
	t.Cleanup(func() { l.Close() })
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*conn), peer.(*net.TCPConn)
}

// arrived tells whether anything can be read at the moment.
func arrived(t *testing.T, c *net.TCPConn) bool {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func someBytes(n int) []byte {
	random := rand.NewChaCha8([32]byte{byte(n)})
	p := make([]byte, n)
	random.Read(p)
	return p
}

func TestWhatIsHeldBackArrivesWhateverIsWrittenAfterIt(t *testing.T) {
	for _, test := range []struct {
		sizes []int
		holds bool // the first
	}{
		{nil, false},
		{[]int{0}, false},
		{[]int{1}, true},
		{[]int{mostHeld}, true},
		{[]int{mostHeld + 1}, false},
		{[]int{mostHeld + 1, 7}, false},
		{[]int{0, 5, 3}, false},
		{[]int{mostHeld, 0}, true},
		{[]int{mostHeld, 1}, true},
		{[]int{mostHeld, 46_000}, true},
		{[]int{mostHeld, 4 << 20, 12}, true}, // more than fits between the two
		{[]int{300, 300, 300}, true},
	} {
		t.Run(fmt.Sprint(test.sizes), func(t *testing.T) {
			c, peer := pair(t)
			var want bytes.Buffer
			got := make(chan []byte, 1)
			read := func() {
				all, _ := io.ReadAll(peer)
				got <- all
			}
			for range 2 { // the second time its memory is used again
				c.hold()
				buffer := make([]byte, 4<<20)
				for i, size := range test.sizes {
					p := buffer[:copy(buffer, someBytes(size))]
					if n, err := c.Write(p); n != size || err != nil {
						t.Fatalf("wrote %d, %v, want %d", n, err, size)
					}
					want.Write(p)
					clear(p)
					if i == 0 && test.holds && read != nil && arrived(t, peer) {
						t.Error("what was to be held back has arrived")
					}
					if i == 0 && read != nil {
						go read()
						read = nil
					}
				}
				c.release()
			}
			if read != nil {
				go read()
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if all := <-got; !bytes.Equal(all, want.Bytes()) {
				t.Errorf("got %d bytes, want %d", len(all), want.Len())
			}
		})
	}
}

func TestAFileGoesOutAfterWhatWasHeldBack(t *testing.T) {
	c, peer := pair(t)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("of a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.hold()
	fmt.Fprint(c, "the header ")
	if n, err := c.ReadFrom(f); n != 10 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	c.release()
	c.Close()
	if all, err := io.ReadAll(peer); string(all) != "the header of a file\n" || err != nil {
		t.Errorf("got %q, %v", all, err)
	}
}

// A reader who is gone, or takes nothing, is an error of the write that the
// held bytes go out with, or ends the connection.
func TestAnErrorIsNotHeldBack(t *testing.T) {
	past := func(c *conn) {
		if err := c.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := pair(t)
	past(c)
	c.hold()
	if n, err := c.Write([]byte("one")); n != 3 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if n, err := c.Write([]byte("two")); n != 0 || err == nil {
		t.Errorf("wrote %d, %v, want the error of both", n, err)
	}
	c.release()

	c, peer := pair(t)
	past(c)
	c.hold()
	fmt.Fprint(c, "one")
	c.release()
	if all, err := io.ReadAll(peer); len(all) > 0 || err != nil {
		t.Errorf("got %q, %v, want the end of the connection", all, err)
	}
}

// All sizes near those of package http's buffers, one request after the other
// and many at once on one connection.
func TestWholeLogsOfEverySizeArrive(t *testing.T) {
	var sizes []int
	for _, about := range []int{0, 2 << 10, mostHeld, 2 * mostHeld, 50_000, cacheFile} {
		for d := -700; d <= 50; d += 25 {
			sizes = append(sizes, max(0, about+d))
		}
	}
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.URL.Query().Get("n"), &n)
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.Header().Set("Content-Type", contentType)
		writeWhole(w, r, someBytes(n))
	}))
	defer server.Close()
	peer, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { peer.Close() })()
	answers := bufio.NewReader(peer)
	request := func(n int) string { return fmt.Sprintf("GET /?n=%d HTTP/1.1\r\nHost: farm\r\n\r\n", n) }
	check := func(n int) {
		t.Helper()
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, resp); got != string(someBytes(n)) {
			t.Fatalf("got %d bytes, want %d", len(got), n)
		}
	}
	for _, n := range sizes {
		if _, err := io.WriteString(peer, request(n)); err != nil {
			t.Fatal(err)
		}
		check(n)
	}
	var all strings.Builder
	for _, n := range sizes {
		all.WriteString(request(n))
	}
	go io.WriteString(peer, all.String())
	for _, n := range sizes {
		check(n)
	}
}

// After a log a connection is as any other: it can become another protocol's.
func TestAConnectionThatHadALogCanBeHandedOver(t *testing.T) {
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	}))
	defer bffe.Close()
	door, w := inFrontOf(t, bffe.URL)
	text := string(bytes.Repeat([]byte("a line\n"), 2000))
	w.write(text)
	w.end()
	address, err := url.Parse(door)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	answers := bufio.NewReader(peer)
	for range 2 {
		fmt.Fprintf(peer, "GET /build/%s/log HTTP/1.1\r\nHost: farm\r\n\r\n", build)
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, resp) != text {
			t.Fatal("got another text than the log")
		}
	}
	fmt.Fprint(peer, "GET /echo HTTP/1.1\r\nHost: farm\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", resp, err)
	}
	for _, line := range []string{"hello\n", "again\n"} {
		fmt.Fprint(peer, line)
		if got, err := answers.ReadString('\n'); got != line || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}
