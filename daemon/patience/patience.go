// Package patience bounds how long a reader may take over what it is sent, so
// that those who fell asleep do not keep a connection and an open file each.
package patience

import (
	"net/http"
	"time"
)

// A reader may take nothing for Least, and must take slowest bytes a second of
// all else.
const (
	Least   = time.Minute
	slowest = 4 << 10
)

// Limit bounds how long so many bytes of an answer may take from now on.
func Limit(w http.ResponseWriter, size int64) {
	limit := Least + time.Duration(size/slowest)*time.Second
	// It fails only where there is no connection, as in tests.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}
