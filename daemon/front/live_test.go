package front

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/patience"
)

const build = "00000000-0000-4000-8000-000000000000"

// writer is a build whose log is under way, as its agent sends it.
type writer struct {
	t    *testing.T
	logs *buildlog.Store
	size int64
}

func newWriter(t *testing.T) *writer {
	t.Helper()
	logs, err := buildlog.Open(filepath.Join(t.TempDir(), "build-logs"), 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, logs: logs}
}

func (w *writer) write(text string) {
	w.t.Helper()
	size, err := w.logs.Append(build, w.size, []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	w.size = size
}

func (w *writer) end() {
	w.t.Helper()
	if err := w.logs.Finish(build, w.size); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) handler() http.Handler {
	return Handler(w.logs, &someFarm{states: map[string]daemon.State{build: daemon.Started}}, nil)
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestALogIsReadWhileItGrowsAndEndsWithItsBuild(t *testing.T) {
	w := newWriter(t)
	server := newServer(w.handler())
	defer server.Close()
	url := server.URL + "/build/" + build + "/log"
	w.write("one\ntwo\n")
	early, end := get(t, url), get(t, url+"?tail=1")
	for name, want := range map[string]string{"Content-Type": contentType, "X-Content-Type-Options": "nosniff",
		"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Encoding": "", "Etag": ""} {
		if got := early.Header.Get(name); got != want {
			t.Errorf("got %s: %q, want %q", name, got, want)
		}
	}
	lines, last := bufio.NewReader(early.Body), bufio.NewReader(end.Body)
	read := func(r *bufio.Reader, want string) {
		t.Helper()
		if got, err := r.ReadString('\n'); got != want {
			t.Fatalf("got the line %q, %v, want %q", got, err, want)
		}
	}
	read(lines, "one\n")
	read(lines, "two\n")
	read(last, "two\n")
	w.write("three\n") // each line is there before the next is written
	read(lines, "three\n")
	read(last, "three\n")
	w.write("four\n")
	read(lines, "four\n")
	late := get(t, url)
	w.write("five")
	w.end()
	for r, want := range map[io.Reader]string{lines: "five", last: "four\nfive", late.Body: "one\ntwo\nthree\nfour\nfive"} {
		if got, err := io.ReadAll(r); string(got) != want || err != nil {
			t.Errorf("got the rest %q, %v, want %q and the end", got, err, want)
		}
	}
	whole := get(t, url)
	if got, err := io.ReadAll(whole.Body); string(got) != "one\ntwo\nthree\nfour\nfive" || err != nil || whole.Header.Get("Etag") == "" {
		t.Errorf("afterwards got %q, %v, %v, want the finished log", got, err, whole.Header)
	}
}

func TestBrowsersGetALogUnderWayAsAPage(t *testing.T) {
	w := newWriter(t)
	server := newServer(w.handler())
	defer server.Close()
	w.write("gcc <b>&amp;")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/build/"+build+"/log", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w.write("</pre><script>alert(1)</script>\n")
	w.end()
	text, err := io.ReadAll(resp.Body)
	if want := "<pre>\ngcc &lt;b&gt;&amp;amp;&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n"; err != nil ||
		!strings.HasSuffix(string(text), want) || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %v, %q, %v, want %q in the end", resp.Header, text, err, want)
	}
	checkPage(t, string(text)+"</pre></body></html>", resp.Header.Get("Content-Security-Policy"))
}

func TestALogThatHasNotALineYetHasBegun(t *testing.T) {
	w := newWriter(t)
	server := newServer(w.handler())
	defer server.Close()
	w.write("")
	resp := get(t, server.URL+"/build/"+build+"/log") // would wait
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got status %s", resp.Status)
	}
	w.end()
	if got, err := io.ReadAll(resp.Body); len(got) > 0 || err != nil {
		t.Errorf("got %q, %v, want an empty log", got, err)
	}
}

// A stop of the program is not the end of the log.
func TestReadersNoticeThatTheServerStops(t *testing.T) {
	w := newWriter(t)
	server := httptest.NewUnstartedServer(w.handler())
	stopping, stop := context.WithCancel(t.Context())
	server.Config.BaseContext = func(net.Listener) context.Context { return stopping }
	server.Start()
	defer server.Close()
	w.write("one\n")
	resp := get(t, server.URL+"/build/"+build+"/log")
	stop()
	if got, err := io.ReadAll(resp.Body); string(got) != "one\n" || err == nil {
		t.Errorf("got %q, %v, want what there is and an error", got, err)
	}
}

// sleeper is the connection of a reader that fell asleep: what is written to it
// waits until the deadline.
type sleeper struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (s *sleeper) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *sleeper) Write(p []byte) (int, error) {
	time.Sleep(time.Until(s.deadline))
	return 0, context.DeadlineExceeded
}

func TestReadersWhoSleepAreLeft(t *testing.T) {
	w := newWriter(t)
	w.write("one\n")
	large := strings.Repeat("Guix", smallText/2) // 8 MB
	for name, prepare := range map[string]func(){
		"under way": func() {},
		"finished": func() {
			w.write(large)
			w.end()
		},
	} {
		prepare()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s: the connection is not cut", name)
				}
				if took := time.Since(start); took < patience.Least || took > 2*patience.Least {
					t.Errorf("%s: it took %v, want a minute or so", name, took)
				}
			}()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/build/"+build+"/log", nil)
			w.handler().ServeHTTP(&sleeper{ResponseRecorder: httptest.NewRecorder()}, r)
		})
	}
}

func TestReadersOfShortAnswersMayNotSleepEither(t *testing.T) {
	w := newWriter(t)
	for _, path := range []string{"/", "/none", "/build/" + build + "/log", "/build/x/log"} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			w.handler().ServeHTTP(&sleeper{ResponseRecorder: httptest.NewRecorder()}, r)
			if took := time.Since(start); took < patience.Least || took > 2*patience.Least {
				t.Errorf("%s: it took %v, want a minute or so", path, took)
			}
		})
	}
}
