package machine

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// FreeAddress is an address of the loopback interface where nobody listens,
// another one each time. Its port is below those that the kernel hands out, so
// that who is started there later, or again, finds it free.
func FreeAddress(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		if given.addresses[address] {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		given.addresses[address] = true
		return address
	}
	t.Fatal("no port is free")
	return ""
}

var given = struct {
	sync.Mutex
	addresses map[string]bool // by FreeAddress
}{addresses: make(map[string]bool)}
