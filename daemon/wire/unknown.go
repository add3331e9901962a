package wire

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Handler serves the routes of mux. Two things are done here for all of
// them: paths that the mux would answer with a redirect are unknown, since
// Guile's client does not follow; and an unknown request is told so in JSON
// and logged, because that is how a real peer shows us a spelling.
func Handler(mux *http.ServeMux) http.Handler {
	unknown := new(UnknownLog)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		if pattern != "" && r.URL.Path == path.Clean(r.URL.Path) {
			mux.ServeHTTP(w, r)
			return
		}
		unknown.Log(r, "unknown request")
		Reply(w, http.StatusNotFound, ErrorBody{Error: "no such route",
			Message: r.Method + " " + clip(r.URL.Path, maxPathLogged) + " is not known here"})
	})
}

// Limits of what is logged of unknown requests, which anybody can send.
const (
	unknownPerMinute = 10
	maxPathLogged    = 500 // bytes
	maxHeadersLogged = 2000
)

// UnknownLog logs requests of which something is unknown, but no more than some
// of them a minute; of the others it says how many there were when the minute
// is over.
type UnknownLog struct {
	mu     sync.Mutex // guards what follows
	open   bool       // a minute is being counted
	logged int        // in this minute
	more   int        // that were not logged
}

// Log logs a request, without what may be a secret in it.
func (u *UnknownLog) Log(r *http.Request, what string) {
	if !u.mayLog() {
		return
	}
	headers := r.Header.Clone()
	maps.DeleteFunc(headers, func(name string, _ []string) bool { return secret(name) })
	slog.Warn(what, "method", clip(r.Method, 50), "path", clip(visible(r.URL), maxPathLogged), "from", r.RemoteAddr,
		"headers", clip(fmt.Sprint(headers), maxHeadersLogged))
}

func (u *UnknownLog) mayLog() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.open {
		u.open = true
		time.AfterFunc(time.Minute, u.endMinute)
	}
	if u.logged == unknownPerMinute {
		u.more++
		return false
	}
	u.logged++
	return true
}

func (u *UnknownLog) endMinute() {
	u.mu.Lock()
	more := u.more
	u.open, u.logged, u.more = false, 0, 0
	u.mu.Unlock()
	if more > 0 {
		slog.Warn(fmt.Sprintf("%d more unknown requests", more))
	}
}

// clip shortens a text to about n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// secret tells whether a header or a query parameter of this name may hold
// one, which is not written into a log.
func secret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"auth", "cookie", "key", "pass", "secret", "signature", "token"},
		func(word string) bool { return strings.Contains(name, word) })
}

// visible is a request's path and query without secrets.
func visible(u *url.URL) string {
	query := u.Query()
	for name := range query {
		if secret(name) {
			query[name] = []string{"redacted"}
		}
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: query.Encode()}).RequestURI()
}
