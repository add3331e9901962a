package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// limit is how long anything may take.
const limit = time.Minute

// A fake is a coordinator that answers over real HTTP. Until a test says
// otherwise it knows one agent, takes all reports and has no builds.
type fake struct {
	t   *testing.T
	url string

	mu        sync.Mutex // guards what follows
	secret    string     // the agent's password
	allocated []string   // UUIDs of builds
	fetches   []wire.FetchRequest
	released  []string
	reports   []string                    // "METHOD PATH" of all but fetches
	bodies    map[string]string           // of the last report
	answer    map[string]http.HandlerFunc // in the place of the usual, by "METHOD PATH"
	conns     int                         // that are open
}

const (
	agentID  = "e092df28-3418-4f94-b7f0-a214b03291ee"
	password = "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB"

	fetchPath = "POST /agent/" + agentID + "/fetch-builds"
)

// build is the UUID of a build by number.
func build(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func newFake(t *testing.T) *fake {
	f := &fake{t: t, secret: password, bodies: make(map[string]string), answer: make(map[string]http.HandlerFunc)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			f.set(func() { f.conns++ })
		case http.StateClosed:
			f.set(func() { f.conns-- })
		}
	}
	server.Start()
	f.url = server.URL
	t.Cleanup(server.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	f.mu.Lock()
	known := id == agentID && secret == f.secret
	f.mu.Unlock()
	if !known {
		refuse(w, http.StatusForbidden, wire.AccessDenied)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	what := r.Method + " " + r.URL.Path
	f.mu.Lock()
	handler := f.answer[what]
	if what == fetchPath {
		var req wire.FetchRequest
		if err := json.Unmarshal(body, &req); err != nil {
			f.t.Errorf("%s: %v", what, err)
		}
		f.fetches = append(f.fetches, req)
		if handler == nil {
			handler = f.give
		}
	} else {
		f.reports = append(f.reports, what)
		f.bodies[what] = string(body)
	}
	f.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	if uuid, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/build/"), "/release"); ok {
		f.mu.Lock()
		f.released = append(f.released, uuid)
		f.allocated = slices.DeleteFunc(f.allocated, func(b string) bool { return b == uuid })
		f.mu.Unlock()
	}
	io.WriteString(w, `{"result":"ok"}`)
}

// give answers a question for builds.
func (f *fake) give(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	reply := wire.FetchReply{Builds: []wire.Allocation{}}
	for _, uuid := range f.allocated {
		reply.Builds = append(reply.Builds, wire.Allocation{UUID: uuid, Derivation: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello.drv"})
	}
	nothingNew := len(f.fetches) > 0 && f.fetches[len(f.fetches)-1].Wait > 0
	f.mu.Unlock()
	if nothingNew {
		<-r.Context().Done()
		return
	}
	json.NewEncoder(w).Encode(reply)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(wire.ErrorBody{Error: code})
}

// lose takes a request and breaks the connection.
func lose(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// drain waits until all is recorded that was sent on connections which have been
// given up.
func (f *fake) drain() {
	f.t.Helper()
	// Connections are accepted in their order.
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "nonsense\r\n\r\n"); err != nil {
		f.t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		f.t.Fatal(err)
	}
	f.wait("all connections are closed", func() bool { return f.conns == 0 })
}

// set changes the fake while it serves.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// wait waits until a condition on the fake holds.
func (f *fake) wait(what string, holds func() bool) {
	f.t.Helper()
	for end := time.Now().Add(limit); ; {
		f.mu.Lock()
		ok := holds()
		f.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("not within %v: %s", limit, what)
		}
		<-time.After(time.Millisecond)
	}
}

// newAgent is an agent of the fake's. Where it looks for a guix-daemon there
// is none, so that what it begins it keeps trying.
func (f *fake) newAgent(log io.Writer, change func(*Config)) *Agent {
	f.t.Helper()
	conf := Config{
		Coordinator: f.url, UUID: agentID, Password: password,
		Settings: Settings{Systems: []string{"x86_64-linux"}, MaxParallelBuilds: 1, MaxAllocatedBuilds: 3, MaxLoad: 10000},
		Daemon:   filepath.Join(f.t.TempDir(), "socket"), SpoolDir: f.t.TempDir(),
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&conf)
	}
	a, err := New(conf)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// run runs an agent; stop ends it and returns what Run did.
func (f *fake) run(a *Agent) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(limit):
			return fmt.Errorf("the agent did not stop within %v", limit)
		}
	})
	f.t.Cleanup(func() { stop() })
	return stop
}

// A record is a log that goroutines write and tests read.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) has(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.buf.String(), s)
}
