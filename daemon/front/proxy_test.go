package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/patience/patiencetest"
)

// inFrontOf is a front door before a front end.
func inFrontOf(t *testing.T, bffe string) (door string, w *writer) {
	t.Helper()
	target, err := url.Parse(bffe)
	if err != nil {
		t.Fatal(err)
	}
	w = newWriter(t)
	server := newServer(Handler(w.logs, &someFarm{states: map[string]daemon.State{build: daemon.Succeeded}}, target))
	t.Cleanup(server.Close)
	return server.URL, w
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAllButLogsIsTheFrontEnds(t *testing.T) {
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Theirs", "yes")
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	}))
	defer bffe.Close()
	door, logs := inFrontOf(t, bffe.URL)
	logs.write("the log\n")
	logs.end()
	for _, path := range []string{"/", "/activity", "/build/" + build, "/build/" + build + "/log/", "/build/" + build + "/logs?x=1",
		"/a//b/../c", "/assets/a%2Fb.css", "/events?after=3", "/build/x;y/z"} {
		r := get(t, door+path)
		if got, want := body(t, r), "GET "+path; got != want || r.Header.Get("X-Theirs") != "yes" {
			t.Errorf("got %q, want %q from the front end", got, want)
		}
	}
	if r := get(t, door+"/build/"+build+"/log"); body(t, r) != "the log\n" || r.Header.Get("X-Theirs") != "" {
		t.Errorf("got %v, want the log from here", r.Header)
	}
	r, err := http.Post(door+"/form", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, r); got != "POST /form" {
		t.Errorf("got %q, want the form to reach the front end", got)
	}
	large := strings.Repeat("x", maxBody+1)
	for name, r := range map[string]io.Reader{"with its length": strings.NewReader(large),
		"in chunks": io.MultiReader(strings.NewReader(large))} {
		r, err := http.Post(door+"/form", "text/plain", r)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, r); r.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %s of a large request", name, r.Status)
		}
	}
}

func TestTheFrontEndLearnsWhoAsks(t *testing.T) {
	var got http.Header
	var host string
	bffe := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, host = r.Header, r.Host }))
	defer bffe.Close()
	door, _ := inFrontOf(t, bffe.URL)
	ask := func(header http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, door+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	check := func(name, want string) {
		t.Helper()
		if got := got.Get(name); got != want {
			t.Errorf("got %s: %q, want %q", name, got, want)
		}
	}
	ask(http.Header{"Connection": {"Secret"}, "Secret": {"hop by hop"}, "Accept-Encoding": {"br"}})
	check("X-Forwarded-For", "127.0.0.1")
	check("X-Forwarded-Proto", "http")
	check("X-Forwarded-Host", strings.TrimPrefix(door, "http://"))
	check("Secret", "")
	check("Accept-Encoding", "br")
	if want := strings.TrimPrefix(bffe.URL, "http://"); host != want {
		t.Errorf("got the host %s, want %s", host, want)
	}
	// Behind a web server with TLS on this machine.
	ask(http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"farm.example"}})
	check("X-Forwarded-For", "192.0.2.7, 127.0.0.1")
	check("X-Forwarded-Proto", "https")
	check("X-Forwarded-Host", "farm.example")
}

func TestConnectionsToTheFrontEndAreKept(t *testing.T) {
	var connections atomic.Int32
	bffe := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }))
	bffe.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	bffe.Start()
	defer bffe.Close()
	door, _ := inFrontOf(t, bffe.URL)
	for range 20 {
		body(t, get(t, door+"/"))
	}
	if got := connections.Load(); got != 1 {
		t.Errorf("got %d connections, want one", got)
	}
}

func TestEventsComeThroughAtOnce(t *testing.T) {
	next := make(chan string)
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		flush := func() { _ = http.NewResponseController(w).Flush() }
		flush()
		for event := range next {
			fmt.Fprint(w, event)
			flush()
		}
	}))
	defer bffe.Close()
	door, _ := inFrontOf(t, bffe.URL)
	for _, kind := range []string{"text/event-stream", "text/plain"} {
		next = make(chan string)
		r := get(t, door+"/events?type="+kind) // before there is an event
		lines := bufio.NewReader(r.Body)
		for n := range 3 {
			event := fmt.Sprintf("id: %d\n", n)
			next <- event
			if got, err := lines.ReadString('\n'); got != event {
				t.Fatalf("%s: got %q, %v, want %q", kind, got, err, event)
			}
		}
		close(next)
		if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
			t.Errorf("%s: in the end got %q, %v", kind, rest, err)
		}
	}
}

// A front end that dies on a request gets it once more only if that does no
// harm.
func TestWhatChangesSomethingIsNotSentTwice(t *testing.T) {
	var posts atomic.Int32
	bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil && r.Method == http.MethodPost {
			posts.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	defer bffe.Close()
	door, _ := inFrontOf(t, bffe.URL)
	for n := range int32(3) {
		body(t, get(t, door+"/")) // leaves a connection
		r, err := http.Post(door+"/", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if body(t, r); r.StatusCode != http.StatusBadGateway || posts.Load() != n+1 {
			t.Errorf("got %s, and %d requests, want 502 and %d", r.Status, posts.Load(), n+1)
		}
	}
}

func TestWithoutTheFrontEndThePageSaysSoAndLogsAreThere(t *testing.T) {
	const bffe = "http://127.0.0.1:1" // a port that the system gives to nobody
	door, logs := inFrontOf(t, bffe)
	logs.write("the log\n")
	logs.end()
	r := get(t, door+"/activity")
	text := body(t, r)
	if r.StatusCode != http.StatusBadGateway || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %s, %v, want a page with 502", r.Status, r.Header)
	}
	for _, want := range []string{bffe, "connection refused", "front.bffe", "herd status bffe"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	if got := body(t, get(t, door+"/build/"+build+"/log")); got != "the log\n" {
		t.Errorf("got %q, want the log", got)
	}
}

func TestWhatTheFrontEndStreamsHasNoEnd(t *testing.T) {
	bffe := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer bffe.Close()
	at, err := url.Parse(bffe.URL)
	if err != nil {
		t.Fatal(err)
	}
	handler := Handler(newWriter(t).logs, new(someFarm), at)
	for _, limited := range []bool{false, true} {
		w := patiencetest.NewAnswer()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil))
		if w.Deadline.IsZero() == limited {
			t.Errorf("got %d and the deadline %v, want one: %v", w.Code, w.Deadline, limited)
		}
		bffe.Close() // then the answer is ours
	}
}
