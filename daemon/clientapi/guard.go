package clientapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A Guard says who may use the clients' API: on the unix socket everybody whom
// its file's mode lets in, over loopback everybody on the machine but the scripts
// of web pages, and from elsewhere those who have the token.
type Guard struct {
	Token func() string // the one of now; nil, or if it is empty: nobody from elsewhere
	Hosts []string      // names of this machine, besides localhost and addresses
}

// Protect lets those requests through that may be served.
func (g Guard) Protect(next http.Handler) http.Handler {
	refused := new(wire.UnknownLog)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the request before
		if err := g.check(r); err != nil {
			refused.Log(r, "refused request")
			wire.Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g Guard) check(r *http.Request) error {
	// Whoever uses a browser on the farm's machine could otherwise submit builds
	// without knowing; commands and BFFE send none of these.
	if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Origin") != "" ||
		site != "" && site != "none" && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return daemon.Errorf(daemon.Denied, "web pages may not use this API")
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if _, unix := local.(*net.UnixAddr); unix {
		return nil
	}
	// A web page can have its own name point to this machine. Then it needs no
	// Origin, but the name stands in Host.
	if !g.ours(r.Host) {
		return daemon.Errorf(daemon.Denied, "this API is not served as %.100q: if that is a name of this machine, add it to "+
			"coordinator.client_hosts", r.Host)
	}
	// The kernel lets nobody from elsewhere reach a loopback address.
	if tcp, ok := local.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	ours := ""
	if g.Token != nil {
		ours = g.Token()
	}
	given, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(ours))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") || ours == "" {
		return daemon.Errorf(daemon.Denied, "this needs the farm's client token (secrets/client.token of its state directory, or client_token_file): "+
			"tbfg --token-file or \"Authorization: Bearer\"")
	}
	return nil
}

// ours tells whether a Host header names this machine. An address does: no name
// was asked for it.
func (g Guard) ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "" { // HTTP/1.0 has no Host
		return true
	}
	return strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(g.Hosts, func(name string) bool { return strings.EqualFold(host, name) })
}
