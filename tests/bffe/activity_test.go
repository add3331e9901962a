package bffe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/front"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/browser"
)

// listen serves a handler until the end of the test.
func (w *world) listen(h http.Handler) (address string) {
	server := httptest.NewServer(h)
	w.t.Cleanup(func() {
		server.CloseClientConnections() // browsers and front ends keep them
		server.Close()
	})
	return server.URL
}

// submit submits a build over the clients' API.
func (w *world) submit(name string) (uuid string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"derivation": w.Derivation(name)})
	w.Must(err)
	resp, err := http.Post("http://"+w.address+"/builds", "application/json", bytes.NewReader(body))
	w.Must(err)
	defer resp.Body.Close()
	var reply wire.SubmissionReply
	w.Must(json.NewDecoder(resp.Body).Decode(&reply))
	if resp.StatusCode != http.StatusOK || reply.Submitted == "" {
		w.t.Fatalf("got %s and %+v, want a build", resp.Status, reply)
	}
	return reply.Submitted
}

// A browser that looks at the front end's page through the front door sees what
// happens on the farm without loading the page again. What scripts of such a page
// send to the clients' API does nothing.
func TestABrowserSeesTheActivityThroughTheFrontDoor(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	agents := w.listen(agentapi.Handler(w.Coordinator, http.NotFoundHandler()))
	bffe, err := url.Parse(w.standIn())
	w.Must(err)
	door := strings.Replace(w.listen(front.Handler(w.Logs, w.Coordinator, bffe)), "127.0.0.1", "localhost", 1)
	id, password := w.Joined("simei")
	agent := agentapi.NewClient(agents, id, password)
	w.Must(agent.ReportStatus(ctx, daemon.AgentStatus{Status: "running", Load1Min: 0.4, Processors: 8}, true))

	b, err := browser.Start()
	w.Must(err)
	defer func() { w.Must(b.Close()) }()
	p, err := b.Open(ctx, door+"/activity")
	w.Must(err)
	w.Must(p.WaitFor(ctx, "document.body && document.body.dataset.connected == 'yes'"))
	w.Must(p.Eval(ctx, "window.same = true", new(bool)))
	shows := func(build, event, label string) {
		t.Helper()
		item := fmt.Sprintf(`document.querySelector('#recent li[data-build="%s"][data-event="%s"]')`, build, event)
		w.Must(p.WaitFor(ctx, fmt.Sprintf("window.same && %s && %s.innerText.startsWith(%q)", item, item, label)))
	}

	build := w.submit("hello-2.12.1")
	shows(build, "build-submitted", "Build submitted")
	fetched, err := agent.FetchBuilds(ctx, []string{coordinatortest.System}, 1, 0)
	w.Must(err)
	if len(fetched.Builds) != 1 || fetched.Builds[0].UUID != build {
		t.Fatalf("the agent got %+v, want the build %s", fetched.Builds, build)
	}
	w.Must(agent.ReportStart(ctx, build))
	shows(build, "build-started", "Build started")
	text := "starting phase `unpack'\nphase `unpack' succeeded after 0.1 seconds\n"
	w.Must(w.SaveLog(ctx, id, build, "none", strings.NewReader(text)))
	w.Must(agent.ReportResult(ctx, build, daemon.Result{Success: true, Ended: time.Now()}))
	shows(build, "build-success", "Build succeeded")
	dir := os.Getenv("TBFG_ARTIFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	w.Must(p.Screenshot(ctx, filepath.Join(dir, "activity.png")))

	// The page's scripts may ask the front door, which has no API, and not the
	// clients' port.
	for n, at := range []string{door, w.url()} {
		w.Must(p.Eval(ctx, fmt.Sprintf(`window.sent = '', fetch(%q, {method: 'POST', mode: 'no-cors', body: %q}).then(
			r => { window.sent = r.type + r.status; }, e => { window.sent = String(e); }), true`,
			at+"/builds", fmt.Sprintf(`{"derivation": %q}`, w.Derivation(fmt.Sprint("unwanted-", n)))), new(bool)))
		w.Must(p.WaitFor(ctx, "window.sent"))
	}
	builds, err := w.Recent(ctx, 10)
	w.Must(err)
	if len(builds) != 1 {
		t.Errorf("got %d builds, want no others than the one that was submitted", len(builds))
	}

	// The build's log is a click away.
	w.Must(p.Eval(ctx, fmt.Sprintf(`document.querySelector('a[href="/build/%s/log"]').click(), true`, build), new(bool)))
	w.Must(p.WaitFor(ctx, fmt.Sprintf("location.pathname == '/build/%s/log' && document.body.innerText.includes('succeeded after')", build)))
}
