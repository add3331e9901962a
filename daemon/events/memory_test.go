package events_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

// memory is what the heap and the stacks take after a collection, in bytes.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestAThousandFollowersTakeLittleMemory(t *testing.T) {
	const followers, most = 1000, 64 << 10
	f := serve(t, coordinatortest.Open(t))
	agent, _ := f.Joined("bedok")
	buffer := make([]byte, 4096)
	read := func(conn net.Conn, until string) {
		t.Helper()
		var text strings.Builder
		for !strings.Contains(text.String(), until) {
			n, err := conn.Read(buffer)
			f.Must(err)
			text.Write(buffer[:n])
		}
	}
	before := memory()
	var conns []net.Conn
	for range followers {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		f.Must(err)
		defer conn.Close()
		_, err = fmt.Fprint(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		f.Must(err)
		read(conn, "\r\n\r\n")
		conns = append(conns, conn)
	}
	f.happen(agent, 1)
	for _, conn := range conns {
		read(conn, "\n\n")
	}
	each := (memory() - before) / followers // with our side of the connections
	t.Logf("%d bytes for each follower", each)
	if each > most {
		t.Errorf("got %d bytes for each follower, want at most %d", each, most)
	}
}
