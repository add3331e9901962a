//go:debug default=go1.25

package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// capture is what is logged until the test ends.
func capture(t *testing.T) func() string {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log safeBuffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	return log.String
}

type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// all is a handler of every route, which answers with the route's name and
// the path's UUID.
func all() http.Handler {
	mux := http.NewServeMux()
	for name, patterns := range Routes {
		for _, pattern := range patterns {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				Reply(w, http.StatusOK, map[string]string{"route": name, "of": r.PathValue("uuid")})
			})
		}
	}
	return Handler(mux)
}

func TestEveryRouteIsServed(t *testing.T) {
	h := all() // panics if two routes conflict
	for name, patterns := range Routes {
		if len(patterns) == 0 {
			t.Errorf("%s has no route", name)
		}
		for _, pattern := range patterns {
			method, path, ok := strings.Cut(pattern, " ")
			if !ok {
				t.Errorf("%s has no method", pattern)
				continue
			}
			path = strings.NewReplacer("{uuid}", bedok, "{format}", "gzip", "{name}", "out", "{id}", "7").Replace(path)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			var got struct{ Route, Of string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.Route != name {
				t.Errorf("%s %s: got %d %s, want %s", method, path, w.Code, w.Body, name)
			}
			if strings.Contains(pattern, "{uuid}") && got.Of != bedok {
				t.Errorf("%s %s: got the UUID %q", method, path, got.Of)
			}
		}
	}
}

// send sends a request as it stands, since a Go client would tidy it up.
func send(t *testing.T, h http.Handler, request string) *http.Response {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, headers, _ := strings.Cut(request, "\n")
	text := line + " HTTP/1.1\r\nHost: farm\r\nConnection: close\r\n" + strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n"
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// Guile's client does not follow redirects and reads the answer as JSON.
func TestWhatIsUnknownGetsJSONAndNoRedirect(t *testing.T) {
	for _, request := range []string{
		"GET /",
		"GET /unknown",
		"GET /build",
		"DELETE /builds", // a path that is known, a method that is not
		"PUT /agent/" + bedok + "/fetch-builds",
		"GET //builds",
		"GET /builds/",
		"GET /agents/.",
		"GET /a/../builds",
		"GET /./builds",
		"GET /build//" + bedok,
		"GET /build/" + bedok + "/",
		"GET /build/../builds",
		"GET /build/%2e%2e/builds",
		"GET /build/%2e%2e",
		"GET /build/%2f",
		"GET /builds/%2e",
		"GET http://elsewhere/unknown",
		"GET http://elsewhere",
		"CONNECT farm:80",
	} {
		t.Run(request, func(t *testing.T) {
			logged := capture(t)
			resp := send(t, all(), request)
			var body ErrorBody
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Error != "no such route" || body.Message == "" {
				t.Errorf("got the body %+v, %v", body, err)
			}
			if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Location") != "" || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s with %v, want 404 with JSON", resp.Status, resp.Header)
			}
			if got := logged(); strings.Count(got, "level=WARN msg=\"unknown request\"") != 1 || strings.Count(got, "\n") != 1 {
				t.Errorf("the log has %q, want one warning", got)
			}
		})
	}
}

func TestWhatIsKnownIsServedHoweverItIsAskedFor(t *testing.T) {
	for request, want := range map[string]string{
		"GET /builds":                      "builds",
		"GET /builds?limit=1&tag=a/../b//": "builds",
		"GET http://elsewhere/builds":      "builds",
		"GET /build/" + bedok + "?":        "build",
		"GET /build/%65%30":                "build",
		"GET /build/a%2Fb":                 "build", // whose UUID is then refused
	} {
		t.Run(request, func(t *testing.T) {
			logged := capture(t)
			resp := send(t, all(), request)
			var got struct{ Route string }
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Route != want {
				t.Errorf("got %s %+v, %v, want %s", resp.Status, got, err, want)
			}
			if logged() != "" {
				t.Errorf("the log has %q, want nothing", logged())
			}
		})
	}
	if resp := send(t, all(), "HEAD /builds"); resp.StatusCode != http.StatusOK || resp.ContentLength <= 0 {
		t.Errorf("HEAD: got %s, %d bytes", resp.Status, resp.ContentLength)
	}
}

// The log of an unknown request is how a real peer shows us a spelling: what
// it tells must be enough, and no secret.
func TestTheLogOfAnUnknownRequestTellsAllButSecrets(t *testing.T) {
	logged := capture(t)
	send(t, all(), "POST /agent-sign-in?name=bedok&token=s3cret&dynamic_auth_token=s3cret&after=12%20\n"+
		"User-Agent: guile\n"+
		"Authorization: Basic s3cret\n"+
		"authorization: basic s3cret\n"+
		"Proxy-Authorization: s3cret\n"+
		"Cookie: s3cret\n"+
		"X-Api-Key: s3cret\n"+
		"X-Auth-Token: s3cret\n"+
		"X-Agent-Password: s3cret\n"+
		"X-Spelling: hyphens\n")
	got := logged()
	if strings.Contains(got, "s3cret") {
		t.Errorf("the log has a secret: %s", got)
	}
	for _, want := range []string{"POST", "/agent-sign-in?", "name=bedok", "token=redacted", "dynamic_auth_token=redacted",
		"after=12", "User-Agent:[guile]", "X-Spelling:[hyphens]", "127.0.0.1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q: %s", want, got)
		}
	}
}

func TestALogLineCannotBeForged(t *testing.T) {
	logged := capture(t)
	send(t, all(), "GET /%0alevel=ERROR%20msg=forged")
	if got := logged(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\nlevel=ERROR") {
		t.Fatalf("the log has %q, want one line", got)
	}
}
