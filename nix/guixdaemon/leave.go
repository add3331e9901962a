package guixdaemon

import (
	"io"
	"net"
	"os"
	"time"
)

// leavePatience is how long what the daemon still says is read. It kills a
// builder and deletes its directory before it goes.
const leavePatience = 30 * time.Second

// leave closes a connection so that the daemon ends what it does for us. It
// learns that we are gone by a signal, and kills the builder. But should a
// write fail at the same time, that signal may end the killing, and the
// builder goes on with nobody to watch it. So what it writes is read until it
// has gone, though not by those who wait for an answer: they fail at once.
func leave(nc net.Conn) {
	half, ok := nc.(interface {
		CloseWrite() error
		File() (*os.File, error)
	})
	if !ok {
		nc.Close()
		return
	}
	rest, err := half.File()
	if err != nil {
		nc.Close()
		return
	}
	half.CloseWrite() // if that fails, the daemon has gone
	nc.Close()
	go func() {
		defer rest.Close()
		if rest.SetReadDeadline(time.Now().Add(leavePatience)) == nil {
			io.Copy(io.Discard, rest)
		}
	}()
}
