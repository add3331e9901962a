package guixdaemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A step is a line of a conversation: the client's bytes, the daemon's, or the
// daemon's leaving.
type step struct {
	kind  byte // '>', '<' or 'c'
	bytes []byte
}

// hello is the greeting of a daemon of the given version.
func hello(version uint64) []step {
	return []step{
		{'>', wire(clientMagic)},
		{'<', wire(serverMagic, version)},
		{'>', wire(Version, 0, 1)},
		{'<', wire(stderrLast)},
	}
}

// wire is an independent writer of the protocol's integers and strings.
func wire(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, v)
		case string:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
			b = append(b, v...)
			for len(b)%8 != 0 {
				b = append(b, 0)
			}
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("no way to write a %T", v))
		}
	}
	return b
}

// conversations reads the scripts of testdata/conversations.txt, by name.
func conversations(t *testing.T) map[string][]step {
	t.Helper()
	file, err := os.ReadFile("testdata/conversations.txt")
	if err != nil {
		t.Fatal(err)
	}
	scripts := make(map[string][]step)
	var name string
	for i, line := range strings.Split(string(file), "\n") {
		verb, rest, _ := strings.Cut(line, " ")
		var steps []step
		var err error
		switch verb {
		case "", "#":
			continue
		case "==":
			name = rest
			scripts[name] = []step{}
			continue
		case "hello":
			var version uint64
			version, err = strconv.ParseUint(rest, 0, 64)
			steps = hello(version)
		case "close":
			steps = []step{{kind: 'c'}}
		case ">", "<":
			var b []byte
			b, err = words(rest)
			steps = []step{{verb[0], b}}
		default:
			err = fmt.Errorf("%q starts no line", verb)
		}
		if err != nil {
			t.Fatalf("conversations.txt:%d: %v", i+1, err)
		}
		scripts[name] = append(scripts[name], steps...)
	}
	return scripts
}

// words is what a line of a conversation stands for.
func words(s string) (b []byte, err error) {
	kinds := map[string]int{"NEXT": stderrNext, "LAST": stderrLast, "ERROR": stderrError}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		rest, raw := strings.CutPrefix(s, "raw")
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			text, _ := strconv.Unquote(quoted)
			s = rest[len(quoted):]
			if raw {
				b = append(b, text...)
			} else {
				b = append(b, wire(text)...)
			}
			continue
		}
		word, after, _ := strings.Cut(s, " ")
		s = after
		if kind, ok := kinds[word]; ok {
			b = append(b, wire(kind)...)
			continue
		}
		n, err := strconv.ParseUint(word, 0, 64)
		if err != nil {
			return nil, err
		}
		b = append(b, wire(n)...)
	}
	return b, nil
}

// play is the daemon's side of a conversation.
func play(nc net.Conn, script []step) error {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute)) // rather than hang when the client is wrong
	for i, s := range script {
		switch s.kind {
		case '>':
			got := make([]byte, len(s.bytes))
			n, err := io.ReadFull(nc, got)
			if diff := cmp.Diff(hex.Dump(s.bytes), hex.Dump(got[:n])); diff != "" || err != nil {
				return fmt.Errorf("step %d: %v; the client's bytes (-want +got):\n%s", i, err, diff)
			}
		case '<':
			if _, err := nc.Write(s.bytes); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		case 'c':
			return nil
		}
	}
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
		return fmt.Errorf("after the conversation, instead of the end: %v\n%s", err, hex.Dump(rest))
	}
	return nil
}

// listen serves one connection on a socket of its own, whose name it returns,
// and reports what serve returns when the test is over.
func listen(t *testing.T, serve func(net.Conn) error) string {
	t.Helper()
	// Not t.TempDir, whose names exceed a socket address's 107 bytes.
	dir, err := os.MkdirTemp("", "gd")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			err = serve(nc)
		}
		done <- err
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the daemon's side: %v", err)
		}
		os.RemoveAll(dir)
	})
	t.Cleanup(func() { l.Close() }) // ends an Accept that nobody answered
	return socket
}

// talk connects to a daemon that follows script.
func talk(t *testing.T, script []step) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), listen(t, func(nc net.Conn) error { return play(nc, script) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A canned connection answers with fixed bytes, whatever it is told.
type canned struct {
	net.Conn // for the methods that nobody calls
	*bytes.Reader
}

func (c canned) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c canned) Write(p []byte) (int, error) { return len(p), nil }
func (c canned) Close() error                { return nil }

// answering is a connection of version 0x164 on which the daemon says reply.
func answering(t testing.TB, reply []byte) *Conn {
	t.Helper()
	greeting := wire(serverMagic, Version, stderrLast)
	c, err := NewConn(context.Background(), canned{Reader: bytes.NewReader(append(greeting, reply...))})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
