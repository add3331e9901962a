//go:debug default=go1.25
package bffe

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// world is a coordinator with an agent, and a machine with Guile.
type world struct {
	*coordinatortest.Farm
	t       *testing.T
	m       *machine.Machine
	address string // of the clients' API; stays the same over a restart
	close   func()
	agent   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Farm: coordinatortest.Open(t), t: t, m: machine.New(t, machine.Sid), address: machine.FreeAddress(t)}
	scripts, err := filepath.Glob("*.scm")
	w.Must(err)
	for _, script := range scripts {
		w.Must(w.m.Install(script, "/tmp/"+script))
	}
	w.serve()
	t.Cleanup(func() { w.close() })
	w.agent, _ = w.Joined("bedök")
	w.report()
	return w
}

// serve serves the clients' API, at the same address as before.
func (w *world) serve() {
	w.t.Helper()
	l, err := net.Listen("tcp", w.address)
	w.Must(err)
	server := httptest.NewUnstartedServer(clientapi.Guard{}.Protect(clientapi.Handler(w.Coordinator, w.Stream(), coordinatortest.Operator{}, http.NotFoundHandler())))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	w.close = func() {
		server.CloseClientConnections()
		server.Close()
	}
}

// restart stops the coordinator for a while.
func (w *world) restart() {
	w.t.Helper()
	w.close()
	w.Restart()
	w.serve()
}

func (w *world) report() {
	w.t.Helper()
	w.Must(w.ReportStatus(w.t.Context(), w.agent, daemon.AgentStatus{Status: "running", Load1Min: 1.5, Processors: 4}))
}

// build lets a build go through its life.
func (w *world) build(name string, success bool) string {
	w.t.Helper()
	uuid := w.Added(w.Derivation(name))
	w.Given(w.agent, 4)
	w.Must(w.ReportStart(w.t.Context(), w.agent, uuid))
	w.Ended(w.agent, uuid, success)
	return uuid
}

func (w *world) url() string {
	return "http://" + strings.Replace(w.address, "127.0.0.1", "localhost", 1)
}

func (w *world) guile(script string, args ...string) string {
	w.t.Helper()
	out, err := w.m.Run(w.t.Context(), "guile", append([]string{"-s", "/tmp/" + script}, args...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestGuileReadsEveryPage(t *testing.T) {
	w := newWorld(t)
	done, failed, waiting := w.build("hello", true), w.build("broken", false), w.Added(w.Derivation("waits"))
	paths := []string{"/state", "/agents", "/agent/" + w.agent, "/builds", "/builds?limit=1&processed=true", "/build/" + done,
		"/build/" + failed, "/build/" + waiting, "/failed-builds-with-blocking-count", "/status", "/build/" + w.agent}
	lines := strings.Split(strings.TrimSpace(w.guile("read.scm", append([]string{w.url()}, paths...)...)), "\n")
	if len(lines) != len(paths) {
		t.Fatalf("got %d lines, want %d: %q", len(lines), len(paths), lines)
	}
	for i, path := range paths {
		want := path + " 200 application/json "
		if path == "/build/"+w.agent {
			want = path + " 404 application/json error"
		}
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("got the line %q, want %q…", lines[i], want)
		}
	}
	for i, keys := range map[int][]string{0: {"agents", "state_id"}, 1: {"agents"}, 2: {"load_average", "uuid"}, 3: {"builds"}, 5: {"derivation-name", "result"}} {
		fields := strings.Split(lines[i][strings.LastIndexByte(lines[i], ' ')+1:], ",")
		for _, key := range keys {
			if !slices.Contains(fields, key) {
				t.Errorf("%s: got the keys %q, want %s among them", paths[i], fields, key)
			}
		}
	}
}

func TestGuileSubmitsABuild(t *testing.T) {
	w := newWorld(t)
	drv := w.Derivation("hello", w.Derivation("input"))
	out := w.guile("submit.scm", w.url(), string(drv), "https://data.guix.gnu.org")
	uuid, ok := strings.CutPrefix(strings.TrimSpace(out), "200 ")
	if !ok {
		t.Fatalf("got %q, want 200 and a UUID", out)
	}
	b, err := w.Build(t.Context(), uuid)
	w.Must(err)
	if b.Derivation != drv || b.Priority != 7 || len(b.Tags) != 2 || len(b.WaitsFor) != 1 {
		t.Errorf("got the build %+v, want priority, tags and a build of the input", b)
	}
	if fetched := w.Fetched(); len(fetched) != 2 || !strings.HasSuffix(fetched[0], "https://data.guix.gnu.org") {
		t.Errorf("fetched %q, want both derivations from the URL", fetched)
	}
	if out := w.guile("submit.scm", w.url(), string(drv), "https://data.guix.gnu.org"); out != "200 "+daemon.DerivationHasBuild+"\n" {
		t.Errorf("once more: got %q", out)
	}
}

// following is for how long the stream is followed; "make soak" says minutes.
func following(t *testing.T) time.Duration {
	text := os.Getenv("TBFG_FOLLOW")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestGuileFollowsTheEvents(t *testing.T) {
	w := newWorld(t)
	_, from, err := w.EventRange(t.Context())
	w.Must(err)
	length := following(t)
	cmd := w.m.Command(t.Context(), "guile", "-s", "/tmp/follow.scm", w.url()+"/events", fmt.Sprint(from), fmt.Sprint(int(length.Seconds())), "40")
	follow, err := w.m.Launch("follow", cmd)
	w.Must(err)
	began := time.Now()
	restarts := 0
	for n := 0; ; n++ {
		w.build(fmt.Sprint("package-", n), n%2 == 0)
		if restarts == 0 && time.Since(began) > length/2 {
			w.restart()
			restarts++
		}
		select {
		case <-follow.Done():
		case <-time.After(20 * time.Millisecond):
			if time.Since(began) < length+time.Minute {
				continue
			}
			t.Fatal("it does not end")
		}
		break
	}
	if err := follow.Err(); err != nil {
		t.Fatalf("got %v: %s", err, follow.Tail(20))
	}
	out, err := follow.Output()
	w.Must(err)
	var first, last, seen, connections int64
	if _, err := fmt.Sscan(out, &first, &last, &seen, &connections); err != nil {
		t.Fatalf("got %q: %v", out, err)
	}
	t.Logf("%d events, %d to %d, on %d connections", seen, first, last, connections)
	if first != from+1 || seen != last-from || restarts == 0 || connections < 2 {
		t.Errorf("got %d events, %d to %d, on %d connections; want each once from %d on, and a connection after the restart",
			seen, first, last, connections, from+1)
	}
}

// standIn runs the front end and returns its URL.
func (w *world) standIn() string {
	w.t.Helper()
	_, port, err := net.SplitHostPort(machine.FreeAddress(w.t))
	w.Must(err)
	standIn, err := w.m.Launch("stand-in", w.m.Command(w.t.Context(), "guile", "-s", "/tmp/stand-in.scm", w.url(), port, "Science team build farm"))
	w.Must(err)
	_, err = standIn.WaitLine(w.t.Context(), "following events after")
	w.Must(err)
	return "http://localhost:" + port
}

// The stand-in's picture, from the state and then from events only, is the
// coordinator's; and its own stream, in chunks, can be followed.
func TestTheStandInKeepsItsPicture(t *testing.T) {
	w := newWorld(t)
	standIn := w.standIn()
	page := func(path string) string {
		t.Helper()
		resp, err := http.Get(strings.Replace(standIn, "localhost", "127.0.0.1", 1) + path)
		w.Must(err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		w.Must(err)
		return string(text)
	}
	agree := func(when string) {
		t.Helper()
		var got, want string
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			var agents []wire.StateAgent
			w.Must(json.Unmarshal([]byte(page("/model")), &agents))
			var state wire.State
			resp, err := http.Get("http://" + w.address + "/state")
			w.Must(err)
			w.Must(json.NewDecoder(resp.Body).Decode(&state))
			resp.Body.Close()
			if got, want = words(agents), words(state.Agents); got == want {
				return
			}
		}
		t.Fatalf("%s: got the picture\n%swant\n%s", when, got, want)
	}
	agree("from the state")
	w.build("hello", true)
	held := w.Added(w.Derivation("held"))
	w.Given(w.agent, 1)
	w.report()
	agree("from events")
	w.restart()
	w.Must(w.ReleaseBuild(t.Context(), w.agent, held))
	_, err := w.NewAgent(t.Context(), "", "two", "")
	w.Must(err)
	agree("after a restart")
	activity := page("/activity")
	for _, want := range []string{"Build submitted", "Build started", "Build succeeded", "x86_64-linux", "bedök"} {
		if !strings.Contains(activity, want) {
			t.Errorf("%q is not in the activity page\n%s", want, activity)
		}
	}

	_, last, err := w.EventRange(t.Context())
	w.Must(err)
	follow, err := w.m.Launch("follow", w.m.Command(t.Context(), "guile", "-s", "/tmp/follow.scm", standIn+"/events",
		fmt.Sprint(last), "0", "1000"))
	w.Must(err)
	w.report()
	select {
	case <-follow.Done():
	case <-time.After(time.Minute):
		t.Fatal("the stand-in's stream does not come")
	}
	if err := follow.Err(); err != nil {
		t.Errorf("got %v: %s", err, follow.Tail(20))
	}
}

// words are agents in words, for comparing.
func words(agents []wire.StateAgent) string {
	var lines []string
	for _, a := range agents {
		var held []string
		for _, b := range a.Allocated {
			held = append(held, b.UUID)
		}
		slices.Sort(held)
		load := 0.0
		if a.Load1Min != nil {
			load = *a.Load1Min
		}
		lines = append(lines, fmt.Sprintln(a.ID, a.Name, a.Active, a.Mode, a.Systems, a.Status, load, a.Processors, a.Planned, held))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
