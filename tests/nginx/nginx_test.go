//go:debug default=go1.25

package nginx

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/front"

	"github.com/klauspost/compress/gzip"
)

// world is a farm that has built something, its front door, and a front end
// whose events the test sends.
type world struct {
	t      *testing.T
	logs   *buildlog.Store
	build  string
	text   string // of the build's log
	dir    string // build-logs
	bffe   string // host and port
	door   string
	events chan string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	farm := coordinatortest.Open(t)
	w := &world{t: t, logs: farm.Logs, events: make(chan string), dir: filepath.Join(filepath.Dir(farm.Database), "build-logs")}
	agent, _ := farm.Joined("bedok")
	w.build = farm.Added(farm.Derivation("hello"))
	farm.Given(agent, 1)
	w.text = strings.Repeat("a line of a build's log, ärger included\n", 1000)
	farm.Must(farm.SaveLog(t.Context(), agent, w.build, "none", strings.NewReader(w.text)))
	farm.Ended(agent, w.build, true)

	bffe := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			fmt.Fprintf(out, "the front end's %s", r.RequestURI)
			return
		}
		out.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		flush := func() { _ = http.NewResponseController(out).Flush() }
		flush()
		for event := range w.events {
			fmt.Fprint(out, event)
			flush()
		}
	}))
	t.Cleanup(bffe.Close)
	w.bffe = strings.TrimPrefix(bffe.URL, "http://")
	target, err := url.Parse(bffe.URL)
	if err != nil {
		t.Fatal(err)
	}
	door := httptest.NewServer(front.Handler(farm.Logs, farm.Coordinator, target))
	t.Cleanup(door.Close)
	w.door = strings.TrimPrefix(door.URL, "http://")
	return w
}

func (w *world) nginx(server, bffe string) string {
	w.t.Helper()
	s, err := Start(w.t.Context(), server, Places{Logs: w.dir, BFFE: bffe})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			w.t.Error(err)
		}
	})
	return s.URL
}

func (w *world) get(url, encoding string) *http.Response {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if encoding != "" {
		req.Header.Set("Accept-Encoding", encoding)
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// checkLog reads the build's log both ways.
func (w *world) checkLog(server string) {
	w.t.Helper()
	url := server + "/build/" + w.build + "/log"
	for _, encoding := range []string{"", "gzip"} {
		resp := w.get(url, encoding)
		text, err := io.ReadAll(resp.Body)
		if err == nil && resp.Header.Get("Content-Encoding") == "gzip" {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(text)); err == nil {
				text, err = io.ReadAll(z)
			}
		}
		if err != nil || resp.StatusCode != http.StatusOK || string(text) != w.text || resp.Header.Get("Content-Encoding") != encoding {
			w.t.Errorf("%s accepting %q: got %s, %v, %d bytes, %v, want the log", url, encoding, resp.Status, resp.Header, len(text), err)
		}
		if got := resp.Header.Values("Content-Type"); got[len(got)-1] != "text/plain; charset=UTF-8" {
			w.t.Errorf("%s: got the types %q", url, got)
		}
	}
}

// checkStream sends lines, one after the other has arrived.
func (w *world) checkStream(resp *http.Response, send func(string)) {
	w.t.Helper()
	lines := bufio.NewReader(resp.Body)
	for n := range 5 {
		line := fmt.Sprintf("id: %d\n", n)
		send(line)
		if got, err := lines.ReadString('\n'); got != line {
			w.t.Fatalf("got %q, %v, want %q before more is sent", got, err, line)
		}
	}
}

func (w *world) checkPages(server string) {
	w.t.Helper()
	resp := w.get(server+"/activity?x=1", "")
	if text, err := io.ReadAll(resp.Body); string(text) != "the front end's /activity?x=1" {
		w.t.Errorf("got %q, %v, want the front end's page", text, err)
	}
	w.checkStream(w.get(server+"/events", ""), func(event string) { w.events <- event })
	close(w.events)
}

func TestThePostsServerOverOurStateDirectory(t *testing.T) {
	w := newWorld(t)
	server := w.nginx(Post, w.bffe)
	w.checkLog(server)
	w.checkPages(server)
	if resp := w.get(server+"/build/"+coordinatortest.UUID(1)+"/log", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s for a log that is not there", resp.Status)
	}
}

func TestThePostsServerInFrontOfOurs(t *testing.T) {
	w := newWorld(t)
	server := w.nginx(Post, w.door)
	w.checkLog(server)
	w.checkPages(server)
}

// Who only hands on to us gets logs under way, too, although nginx buffers
// unless it is told otherwise.
func TestALogUnderWayPassesNginx(t *testing.T) {
	w := newWorld(t)
	close(w.events)
	server := w.nginx("server {\n  listen PORT;\n  location / { proxy_pass http://BFFE; }\n}\n", w.door)
	w.checkLog(server)
	build, size := coordinatortest.UUID(2), int64(0)
	write := func(line string) {
		var err error
		if size, err = w.logs.Append(build, size, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	write("begun\n")
	resp := w.get(server+"/build/"+build+"/log?tail=1", "")
	first := make([]byte, len("begun\n"))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "begun\n" {
		t.Fatalf("got %q, %v", first, err)
	}
	w.checkStream(resp, write)
	if err := w.logs.Finish(build, size); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("in the end got %q, %v", rest, err)
	}
}
