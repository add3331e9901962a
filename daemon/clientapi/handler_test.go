// In GOPATH mode test programs have the defaults of an old Go, whose ServeMux
// knows no methods.
//
//go:debug default=go1.25

package clientapi_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // requests that fail are logged
	os.Exit(m.Run())
}

// farm is a coordinator served over HTTP.
type farm struct {
	*coordinatortest.Farm
	t   *testing.T
	url string
}

func open(t *testing.T) *farm {
	t.Helper()
	f := &farm{Farm: coordinatortest.Open(t), t: t}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })
	server := httptest.NewServer(clientapi.Guard{}.Protect(clientapi.Handler(f.Coordinator, f.Stream(), coordinatortest.Operator{}, metrics)))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// request sends a request and returns status and body.
func (f *farm) request(method, path, body string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	f.Must(err)
	resp, err := http.DefaultClient.Do(req)
	f.Must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	f.Must(err)
	return resp.StatusCode, string(text)
}

// refuse sends a request that must be refused in JSON without any change.
func (f *farm) refuse(method, path, body string, status int) {
	f.t.Helper()
	name := method + " " + path + " with " + body[:min(len(body), 80)]
	before := f.Dump()
	got, text := f.request(method, path, body)
	if got != status {
		f.t.Errorf("%s: got the status %d, want %d; the body is %s", name, got, status, text)
	}
	var e wire.ErrorBody
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error == "" {
		f.t.Errorf("%s: got the body %q, want a JSON error", name, text)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		f.t.Errorf("%s: the database changed (-before +after)\n%s", name, diff)
	}
}

// accept sends a request that must be accepted, and decodes the answer.
func (f *farm) accept(method, path, body string) map[string]any {
	f.t.Helper()
	status, text := f.request(method, path, body)
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil || status != http.StatusOK {
		f.t.Fatalf("%s %s with %s: got %d %s, want 200 and an object", method, path, body, status, text)
	}
	return object
}

func TestSubmissions(t *testing.T) {
	f := open(t)
	input := f.Derivation("input")
	drv := f.Derivation("hello", input)
	reply := f.accept("POST", "/builds", fmt.Sprintf(`{"derivation":%q,"priority":3,"tags":[{"key":"a","value":"b"}],
		"substitute-urls":["https://data.guix.gnu.org"],"build-id":%q,"defer-until":"2025-08-14 00:00:00"}`, drv, coordinatortest.UUID(1)))
	if diff := cmp.Diff(map[string]any{"build-submitted": coordinatortest.UUID(1), "build_submitted": coordinatortest.UUID(1)}, reply); diff != "" {
		t.Errorf("reply (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hello.drv https://data.guix.gnu.org", "input.drv https://data.guix.gnu.org"}, f.Fetched()); diff != "" {
		t.Errorf("fetched (-want +got)\n%s", diff)
	}
	b, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(1))
	f.Must(err)
	if b.State != daemon.Deferred || b.Priority != 3 || b.NotBefore.Format("2006-01-02") != "2025-08-14" || len(b.Tags) != 1 {
		t.Errorf("got the build %+v, want what was submitted", b)
	}
	for field, reason := range map[string]string{
		"ignore-if-build-for-derivation-exists": daemon.DerivationHasBuild,
		"ignore_if_build_for_derivation_exists": daemon.DerivationHasBuild,
		"ignore-if-build-for-outputs-exists":    daemon.OutputHasBuild,
	} {
		reply := f.accept("POST", "/builds", fmt.Sprintf(`{"derivation":%q,%q:true}`, drv, field))
		if diff := cmp.Diff(map[string]any{"no-build-submitted": reason, "no_build_submitted": reason}, reply); diff != "" {
			t.Errorf("%s (-want +got)\n%s", field, diff)
		}
	}
	// false is not true, null says nothing, and what is unknown is ignored.
	reply = f.accept("POST", "/builds", fmt.Sprintf(`{"derivation":%q,"ignore-if-build-for-outputs-exists":false,"priority":null,
		"tags":null,"ensure-all-related-derivation-outputs-have-builds":true,"what":{"is":["this"]}}`, drv))
	if reply["input_builds_submitted"] != 1.0 {
		t.Errorf("got the reply %v, want one build for an input", reply)
	}
}

func TestSubmissionsThatAreRefused(t *testing.T) {
	f := open(t)
	drv := f.Derivation("hello")
	missing := f.Derivation("missing")
	f.Offer(missing, nil)
	taken := f.Added(drv)
	with := func(format string, args ...any) string {
		return fmt.Sprintf(`{"derivation":%q,`+format+`}`, append([]any{drv}, args...)...)
	}
	for _, tt := range []struct {
		body   string
		status int
	}{
		{``, 400},
		{`{}`, 400},
		{`[]`, 400},
		{`"` + string(drv) + `"`, 400},
		{`not JSON`, 400},
		{`{"derivation":"hello"}`, 400},
		{`{"derivation":7}`, 400},
		{fmt.Sprintf(`{"derivation":%q}`, f.Output(drv, "out")), 400},
		{fmt.Sprintf(`{"derivation":%q}`, string(drv)+"/.."), 400},
		{fmt.Sprintf(`{"derivation":%q}`, missing), 404},
		{with(`"priority":"high"`), 400},
		{with(`"priority":1.5`), 400},
		{with(`"priority":1e30`), 400},
		{with(`"substitute-urls":"https://one"`), 400},
		{with(`"substitute-urls":["gopher://one"]`), 400},
		{with(`"build-id":"hello"`), 400},
		{with(`"build-id":%q`, taken), 409},
		{with(`"tags":{"key":"value"}`), 400},
		{with(`"tags":[{"key":"","value":"x"}]`), 400},
		{with(`"tags":["key"]`), 400},
		{with(`"defer-until":"tomorrow"`), 400},
		{with(`"ignore-if-build-for-outputs-exists":"yes"`), 400},
		{strings.Repeat(" ", wire.MaxBody+1), 413},
	} {
		f.refuse("POST", "/builds", tt.body, tt.status)
	}
}

func TestAgents(t *testing.T) {
	f := open(t)
	reply := f.accept("POST", "/agents", "")
	id, _ := reply["agent-id"].(string)
	if reply["agent_id"] != id || len(id) != 36 {
		t.Fatalf("got the reply %v, want the agent's UUID in two spellings", reply)
	}
	f.accept("POST", "/agents", fmt.Sprintf(`{"id":%q,"name":"marina","description":"another"}`, coordinatortest.UUID(2)))

	reply = f.accept("POST", "/agent/"+id+"/passwords", "")
	password, _ := reply["new-password"].(string)
	if err := f.Authenticate(t.Context(), id, password); err != nil || reply["password"] != password {
		t.Errorf("got the reply %v, want a password that opens the agent: %v", reply, err)
	}
	second := f.accept("POST", "/agent/"+id+"/password", "{}")["new_password"].(string)
	f.Must(f.Authenticate(t.Context(), id, second))
	reply = f.accept("GET", "/agent/"+id+"/passwords", "")
	if diff := cmp.Diff([]any{"2025-08-13 00:00:00", "2025-08-13 00:00:00"}, reply["created-at"]); diff != "" {
		t.Errorf("password dates (-want +got)\n%s", diff)
	}

	f.accept("PUT", "/agent/"+id+"/active", `{"active":false}`)
	f.accept("PUT", "/agent/"+id+"/tags", `{"tags":[{"key":"place","value":"home"}]}`)
	reply = f.accept("PATCH", "/agent/"+id, `{"name":"bedok","description":"TBFG agent"}`)
	for key, want := range map[string]any{"id": id, "uuid": id, "name": "bedok", "description": "TBFG agent", "active": false,
		"tags": []any{map[string]any{"key": "place", "value": "home"}}, "allocated-builds": []any{}, "requested_systems": []any{}} {
		if diff := cmp.Diff(want, reply[key]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", key, diff)
		}
	}
	if diff := cmp.Diff(reply, f.accept("GET", "/agent/"+id, "")); diff != "" {
		t.Errorf("the agent later (-when changed +later)\n%s", diff)
	}
}

func TestRequestsAboutAgentsThatAreRefused(t *testing.T) {
	f := open(t)
	id, _ := f.Joined("bedok")
	nobody, huge := coordinatortest.UUID(9), strings.Repeat(" ", wire.MaxBody+1)
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/agents", `{"id":"bedok"}`, 400},
		{"POST", "/agents", `{"uuid":"` + id + `"}`, 409},
		{"POST", "/agents", `{"name":["bedok"]}`, 400},
		{"POST", "/agents", `{"name":"` + strings.Repeat("x", 10_001) + `"}`, 400},
		{"POST", "/agents", `name=bedok`, 400},
		{"POST", "/agents", huge, 413},
		{"GET", "/agent/" + nobody, ``, 404},
		{"GET", "/agent/bedok", ``, 400},
		{"PATCH", "/agent/" + nobody, `{"name":"x"}`, 404},
		{"PATCH", "/agent/bedok", `{"name":"x"}`, 400},
		{"PATCH", "/agent/" + id, `{"name":7}`, 400},
		{"PATCH", "/agent/" + id, `{"description":"` + strings.Repeat("x", 10_001) + `"}`, 400},
		{"PATCH", "/agent/" + id, huge, 413},
		{"PUT", "/agent/" + id + "/active", `{"active":"no"}`, 400},
		{"PUT", "/agent/" + id + "/active", `{"active":0}`, 400},
		{"PUT", "/agent/" + nobody + "/active", `{"active":true}`, 404},
		{"PUT", "/agent/" + id + "/tags", `{"tags":[{"key":""}]}`, 400},
		{"PUT", "/agent/" + id + "/tags", `{"tags":{"a":"b"}}`, 400},
		{"PUT", "/agent/" + nobody + "/tags", `{"tags":[]}`, 404},
		{"POST", "/agent/" + nobody + "/passwords", ``, 404},
		{"POST", "/agent/bedok/passwords", ``, 400},
		{"GET", "/agent/" + nobody + "/passwords", ``, 404},
		{"GET", "/build/" + nobody, ``, 404},
		{"GET", "/build/hello", ``, 400},
	} {
		f.refuse(tt.method, tt.path, tt.body, tt.status)
	}
}

func TestUnknownRoutesAreNotFound(t *testing.T) {
	f := open(t)
	id, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	for _, tt := range []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/builds/"}, {"DELETE", "/build/" + build}, {"PUT", "/build/" + build},
		{"POST", "/build/" + build + "/report-build-start"}, {"POST", "/agent/" + id + "/fetch-builds"},
		{"PUT", "/agent/" + id}, {"GET", "//agents"},
	} {
		f.refuse(tt.method, tt.path, "", http.StatusNotFound)
	}
	if status, body := f.request("GET", "/metrics", ""); status != http.StatusOK || body != "up 1\n" {
		t.Errorf("metrics: got %d %s, want them", status, body)
	}
}

func TestWebPagesAreRefused(t *testing.T) {
	f := open(t)
	before := f.Dump()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/agents", strings.NewReader("{}"))
	f.Must(err)
	req.Header.Set("Origin", "https://example.org")
	resp, err := http.DefaultClient.Do(req)
	f.Must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || f.Dump() != before {
		t.Fatalf("got status %d, want %d and nothing changed", resp.StatusCode, http.StatusForbidden)
	}
}
