package clientapi_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
)

func TestWhoMayUseTheAPI(t *testing.T) {
	const secret = "OTCKFLsB5QRq8XBnZ3nCDAxYLbA4F4kxGz7JPBkU"
	loopback, loopback6 := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8746}, &net.TCPAddr{IP: net.IPv6loopback, Port: 8746}
	network, socket := &net.TCPAddr{IP: net.IPv4(192, 168, 1, 80), Port: 8746}, &net.UnixAddr{Name: "/run/tbfg/client.socket", Net: "unix"}
	for _, tt := range []struct {
		name    string
		local   net.Addr
		method  string
		host    string
		headers []string
		token   string // the farm's
		want    bool
	}{
		{"BFFE", loopback, "GET", "localhost:8746", nil, "", true},
		{"BFFE, when there is a token", loopback, "POST", "localhost:8746", nil, secret, true},
		{"a command", loopback, "POST", "127.0.0.1:8746", nil, "", true},
		{"over IPv6", loopback6, "POST", "[::1]:8746", nil, "", true},
		{"without a port", loopback6, "POST", "[::1]", nil, "", true},
		{"HTTP/1.0", loopback, "GET", "", nil, "", true},
		{"capitals and a last dot", loopback, "GET", "LocalHost.", nil, "", true},
		{"the machine's name", loopback, "POST", "farm.example.org:8746", nil, "", true},
		{"a web page by its own name", loopback, "POST", "evil.example:8746", nil, "", false},
		{"a web page that reads by its own name", loopback, "GET", "evil.example", nil, "", false},
		{"a name that only begins like ours", loopback, "GET", "localhost.evil.example", nil, "", false},
		{"a name that looks like an address", loopback, "GET", "127.0.0.1.evil.example", nil, "", false},
		{"a web page", loopback, "POST", "localhost:8746", []string{"Origin", "https://evil.example"}, "", false},
		{"a web page from a file", loopback, "POST", "localhost:8746", []string{"Origin", "null"}, "", false},
		{"a web page that follows", loopback, "GET", "localhost:8746", []string{"Origin", "https://evil.example"}, "", false},
		{"a form of a web page", loopback, "POST", "localhost:8746", []string{"Sec-Fetch-Site", "cross-site"}, "", false},
		{"somebody who types the address", loopback, "GET", "localhost:8746", []string{"Sec-Fetch-Site", "none"}, "", true},
		{"somebody who follows a link", loopback, "GET", "localhost:8746", []string{"Sec-Fetch-Site", "cross-site"}, "", true},
		{"the socket", socket, "POST", "localhost", nil, secret, true},
		{"the socket under any name", socket, "POST", "x", nil, "", true},
		{"a web page through a proxy to the socket", socket, "POST", "localhost", []string{"Origin", "https://evil.example"}, "", false},
		{"from elsewhere", network, "POST", "192.168.1.80:8746", nil, secret, false},
		{"from elsewhere with the token", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer " + secret}, secret, true},
		{"the scheme in small letters", network, "POST", "192.168.1.80:8746", []string{"Authorization", "bearer " + secret}, secret, true},
		{"another scheme", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Basic " + secret}, secret, false},
		{"a wrong token", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer " + secret[1:]}, secret, false},
		{"an empty token", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer "}, secret, false},
		{"an empty token where there is none", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer "}, "", false},
		{"any token where there is none", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer " + secret}, "", false},
		{"an address that nobody knows", nil, "POST", "localhost", nil, secret, false},
		{"a web page with the token", network, "POST", "192.168.1.80:8746", []string{"Authorization", "Bearer " + secret, "Origin", "x"}, secret, false},
	} {
		served := false
		guard := clientapi.Guard{Token: func() string { return tt.token }, Hosts: []string{"farm.example.org"}}
		handler := guard.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, tt.local), tt.method, "/builds", nil)
		r.Host = tt.host
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		want := http.StatusForbidden
		if tt.want {
			want = http.StatusOK
		}
		if served != tt.want || w.Code != want {
			t.Errorf("%s: got %d, served %v; want %d, %v", tt.name, w.Code, served, want, tt.want)
		}
	}
}

func TestPublicReads(t *testing.T) {
	f := open(t)
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	handler := clientapi.PublicReads(f.Coordinator, f.Stream(), next)
	for _, tt := range []struct {
		request, authorization string
		want                   int
	}{
		{"GET /builds", "", http.StatusOK},
		{"GET /build/" + build, "", http.StatusOK},
		{"HEAD /build/" + build, "", http.StatusOK},
		{"GET /agents", "", http.StatusOK},
		{"GET /agent/" + agent, "", http.StatusOK},
		{"GET /state", "", http.StatusOK},
		{"HEAD /events", "", http.StatusOK},
		{"GET /build/" + agent, "", http.StatusNotFound},
		// The rest is the agents'.
		{"GET /agent/" + agent, "Basic x", http.StatusTeapot},
		{"PUT /agent/" + agent, "", http.StatusTeapot},
		{"GET /metrics", "", http.StatusTeapot},
		{"POST /builds", "", http.StatusTeapot},
		{"GET /status", "", http.StatusTeapot},
		{"GET /hooks", "", http.StatusTeapot},
		{"GET /dynamic-auth-tokens", "", http.StatusTeapot},
		{"GET //builds", "", http.StatusTeapot},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Header.Set("Authorization", tt.authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s with %q: got %d, want %d", tt.request, tt.authorization, w.Code, tt.want)
		}
	}
}
