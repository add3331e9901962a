// In GOPATH mode test programs have the defaults of an old Go, whose ServeMux
// knows no methods.
//
//go:debug default=go1.25

package agentapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // requests that fail are logged
	os.Exit(m.Run())
}

// farm is a coordinator with an agent that holds a build, served over HTTP.
type farm struct {
	*coordinatortest.Farm
	t               *testing.T
	url             string
	agent, password string
	build           string // that the agent holds
	foreign         string // a build that another agent holds
	foreignAgent    string
}

func open(t *testing.T) *farm {
	t.Helper()
	f := &farm{Farm: coordinatortest.Open(t), t: t}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })
	server := httptest.NewServer(agentapi.Handler(f.Coordinator, metrics))
	t.Cleanup(server.Close)
	f.url = server.URL
	f.agent, f.password = f.Joined("bedok")
	f.foreignAgent, _ = f.Joined("foreign")
	f.build = f.Added(f.Derivation("hello"))
	f.Given(f.agent, 1)
	f.foreign = f.Added(f.Derivation("foreign"))
	f.Given(f.foreignAgent, 1)
	return f
}

// request sends a request as an agent, changed by edit, and returns status
// and body.
func (f *farm) request(method, path, body string, edit ...func(*http.Request)) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	f.Must(err)
	req.SetBasicAuth(f.agent, f.password)
	for _, e := range edit {
		e(req)
	}
	resp, err := http.DefaultClient.Do(req)
	f.Must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	f.Must(err)
	return resp.StatusCode, string(text)
}

// refuse sends a request that must be refused in JSON without any change.
func (f *farm) refuse(name, method, path, body string, status int, edit ...func(*http.Request)) {
	f.t.Helper()
	before := f.Dump()
	got, text := f.request(method, path, body, edit...)
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

func credentials(agent, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(agent, password) }
}

func authorization(value ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Authorization"] = value }
}

// route is a route with a body that is right.
type route struct{ method, path, body string }

// routes are all routes that need credentials, for one agent and one build.
func routes(agent, build string) []route {
	return []route{
		{"PUT", "/agent/" + agent, `{"status":"idle"}`},
		{"GET", "/agent/" + agent, ""},
		{"POST", "/agent/" + agent + "/fetch-builds", `{"systems":["x86_64-linux"],"target_count":2}`},
		{"POST", "/build/" + build + "/report-build-start", ""},
		{"POST", "/build/" + build + "/report-start", "{}"},
		{"POST", "/build/" + build + "/report-setup-failure", `{"failure_reason":"could_not_delete_outputs"}`},
		{"PUT", "/build/" + build + "/log/none", "the log"},
		{"POST", "/build/" + build + "/log/none", "the log"},
		{"PUT", "/build/" + build, `{"result":"failure"}`},
		{"POST", "/build/" + build, `{"result":"success","outputs":[{"name":"out","hash":"sha256:x","size":1,"references":[]}]}`},
		{"GET", "/build/" + build, ""},
		{"POST", "/build/" + build + "/release", ""},
	}
}

func TestRoutesWithTheRightCredentials(t *testing.T) {
	for i := range routes("", "") {
		f := open(t) // a new one, since a build can end but once
		r := routes(f.agent, f.build)[i]
		status, body := f.request(r.method, r.path, r.body)
		if status != http.StatusOK || !json.Valid([]byte(body)) {
			t.Errorf("%s %s: got %d %s, want 200 and JSON", r.method, r.path, status, body)
		}
	}
}

func TestRoutesWithWrongCredentials(t *testing.T) {
	f := open(t)
	for _, r := range routes(f.agent, f.build) {
		name := r.method + " " + r.path
		for what, edit := range map[string]func(*http.Request){
			"a wrong password":           credentials(f.agent, "wrong"),
			"no password":                credentials(f.agent, ""),
			"another agent's UUID":       credentials(f.foreignAgent, f.password),
			"a UUID of nobody":           credentials(coordinatortest.UUID(9), f.password),
			"the agent's name":           credentials("bedok", f.password),
			"no credentials":             authorization(),
			"an empty header":            authorization(""),
			"another scheme":             authorization("Bearer " + f.password),
			"credentials that are plain": authorization("Basic " + f.agent + ":" + f.password),
			"credentials without colon":  authorization("Basic YWdlbnQ="),
		} {
			f.refuse(name+" with "+what, r.method, r.path, r.body, http.StatusForbidden, edit)
		}
	}
}

// Guile before 3.0.11 writes the scheme like this.
func TestTheSchemeMayBeWrittenInAnyCase(t *testing.T) {
	f := open(t)
	for _, scheme := range []string{"Basic", "basic", "BASIC"} {
		status, body := f.request("GET", "/agent/"+f.agent, "", func(r *http.Request) {
			value := r.Header.Get("Authorization")
			r.Header.Set("Authorization", scheme+strings.TrimPrefix(value, "Basic"))
		})
		if status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", scheme, status, body)
		}
	}
}

func TestAnAgentSpeaksForItselfOnly(t *testing.T) {
	f := open(t)
	for _, r := range routes(f.foreignAgent, f.foreign) {
		f.refuse(r.method+" "+r.path, r.method, r.path, r.body, http.StatusForbidden)
	}
}

func TestBuildsThatAreNotThere(t *testing.T) {
	f := open(t)
	for uuid, status := range map[string]int{coordinatortest.UUID(9): http.StatusNotFound, "hello": http.StatusBadRequest} {
		for _, r := range routes(f.agent, uuid)[3:] {
			f.refuse(r.method+" "+r.path, r.method, r.path, r.body, status)
		}
	}
}

func TestBodiesThatMakeNoSense(t *testing.T) {
	f := open(t)
	huge := strings.Repeat(" ", wire.MaxBody+1)
	fetch, status := "/agent/"+f.agent+"/fetch-builds", "/agent/"+f.agent
	result, setup := "/build/"+f.build, "/build/"+f.build+"/report-setup-failure"
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", status, "not JSON", 400},
		{"PUT", status, `{"status":"idle"`, 400},
		{"PUT", status, `{"status":"idle"} and more`, 400},
		{"PUT", status, `["idle"]`, 400},
		{"PUT", status, `null`, 400},
		{"PUT", status, `{"status":7}`, 400},
		{"PUT", status, `{"status":"` + strings.Repeat("x", 65) + `"}`, 400},
		{"PUT", status, `{"load_average":"high"}`, 400},
		{"PUT", status, `{"processor_count":1.5}`, 400},
		{"PUT", status, huge, 413},
		{"POST", fetch, ``, 400},
		{"POST", fetch, `{}`, 400},
		{"POST", fetch, `{"systems":"x86_64-linux"}`, 400},
		{"POST", fetch, `{"systems":[]}`, 400},
		{"POST", fetch, `{"systems":[1]}`, 400},
		{"POST", fetch, `{"systems":["x86_64-linux"],"target_count":-1}`, 400},
		{"POST", fetch, `{"systems":["x86_64-linux"],"target_count":1e9}`, 400},
		{"POST", fetch, `{"systems":["x86_64-linux"],"target_count":"2"}`, 400},
		{"POST", fetch, `{"systems":["x86_64-linux"],"wait_seconds":"long"}`, 400},
		{"POST", fetch, `{"systems":["x86_64-linux"],"wait_seconds":1e400}`, 400},
		{"POST", fetch, huge, 413},
		{"POST", setup, ``, 400},
		{"POST", setup, `{"failure_reason":""}`, 400},
		{"POST", setup, `{"failure_reason":true}`, 400},
		{"POST", setup, `{"failure_reason":"missing_inputs","missing_inputs":"all"}`, 400},
		{"POST", setup, `{"failure_reason":"missing_inputs","missing_inputs":["/etc/passwd"]}`, 400},
		{"POST", setup, `{"failure_reason":"` + strings.Repeat("x", 5000) + `"}`, 400},
		{"POST", setup, huge, 413},
		{"PUT", result, ``, 400},
		{"PUT", result, `{"result":"maybe"}`, 400},
		{"PUT", result, `{"result":true}`, 400},
		{"PUT", result, `{"result":"success","end_time":"yesterday"}`, 400},
		{"PUT", result, `{"result":"success","end_time":1755043200}`, 400},
		{"PUT", result, `{"result":"success","outputs":{"out":"sha256:x"}}`, 400},
		{"PUT", result, `{"result":"success","outputs":[{"name":"doc","hash":"sha256:x"}]}`, 400},
		{"PUT", result, `{"result":"success","outputs":[{"name":"out","hash":"sha256:x","size":-1}]}`, 400},
		{"PUT", result, `{"result":"success","outputs":[{"name":"out","hash":"sha256:x","size":1e30}]}`, 400},
		{"PUT", result, `{"result":"success","outputs":[{"name":"out"}]}`, 400},
		{"PUT", result, `{"result":"success","outputs":[{"name":"out","hash":"x","references":["hello"]}]}`, 400},
		{"PUT", result, huge, 413},
		{"PUT", result + "/log/lzip", "the log", 400},
		{"PUT", result + "/log/gzip", "the log", 400},
		{"PUT", result + "/log/bzip2", "the log", 400},
		{"PUT", result + "/log/none", strings.Repeat("x", coordinatortest.MaxLogSize+1), 413},
	} {
		f.refuse(tt.method+" "+tt.path+" with "+tt.body[:min(len(tt.body), 80)], tt.method, tt.path, tt.body, tt.status)
	}
}

func TestUnknownRoutesAreNotFound(t *testing.T) {
	f := open(t)
	for _, tt := range []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/agents"}, {"POST", "/builds"}, {"DELETE", "/build/" + f.build},
		{"GET", "/agent/" + f.agent + "/"}, {"GET", "//agent/" + f.agent}, {"GET", "/agent/../agent/" + f.agent},
		{"POST", "/agent/" + f.agent + "/passwords"}, {"PUT", "/build/" + f.build + "/log"},
	} {
		f.refuse(tt.method+" "+tt.path, tt.method, tt.path, "", http.StatusNotFound)
	}
}

func TestMetricsNeedNoCredentials(t *testing.T) {
	f := open(t)
	status, body := f.request("GET", "/metrics", "", authorization())
	if status != http.StatusOK || body != "up 1\n" {
		t.Errorf("got %d %s, want the metrics", status, body)
	}
}

// What upstream's agent inspects.
func TestAResultAfterAnotherIsToldByItsCode(t *testing.T) {
	f := open(t)
	f.Ended(f.agent, f.build, true)
	f.refuse("the other result", "PUT", "/build/"+f.build, `{"result":"failure"}`, http.StatusBadRequest)
	_, body := f.request("PUT", "/build/"+f.build, `{"result":"failure"}`)
	want := `{"error":"build_already_processed","message":"the build ` + f.build + ` is succeeded already"}`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got)\n%s", diff)
	}
	if status, body := f.request("PUT", "/build/"+f.build, `{"result":"success"}`); status != http.StatusOK {
		t.Errorf("the same result again: got %d %s, want 200", status, body)
	}
	_, body = f.request("GET", "/agent/"+f.agent, "", credentials(f.agent, "wrong"))
	if diff := cmp.Diff(`{"error":"access denied","message":"wrong agent UUID or password"}`, body); diff != "" {
		t.Errorf("body of a refusal (-want +got)\n%s", diff)
	}
}

func TestOldSpellings(t *testing.T) {
	f := open(t)
	second := f.Added(f.Derivation("second"))
	// count is how many more; hyphens are as good as underscores.
	status, body := f.request("POST", "/agent/"+f.agent+"/fetch-builds", `{"systems":["x86_64-linux"],"count":1}`)
	if status != http.StatusOK || !strings.Contains(body, f.build) || !strings.Contains(body, second) {
		t.Errorf("count: got %d %s, want both builds", status, body)
	}
	third := f.Added(f.Derivation("third"))
	status, body = f.request("POST", "/agent/"+f.agent+"/fetch-builds", `{"systems":["x86_64-linux"],"target-count":2,"count":9}`)
	if status != http.StatusOK || strings.Contains(body, third) {
		t.Errorf("target-count: got %d %s, want no third build", status, body)
	}
	status, body = f.request("POST", "/build/"+second+"/report-setup-failure",
		`{"failure-reason":"missing_inputs","missing-inputs":["`+string(f.Output(f.Derivation("input"), "out"))+`"],"unknown":1}`)
	if status != http.StatusOK {
		t.Errorf("setup failure: got %d %s, want 200", status, body)
	}
	b, err := f.Coordinator.Build(t.Context(), second)
	f.Must(err)
	if len(b.SetupFailures) != 1 || len(b.SetupFailures[0].MissingInputs) != 1 {
		t.Errorf("got the setup failures %+v, want one with one missing input", b.SetupFailures)
	}
	for _, load := range []string{`"load_average_1min":2.5`, `"load-average":{"1min":2.5}`} {
		f.request("PUT", "/agent/"+f.agent, `{"status":"running",`+load+`,"processor-count":4,"initial_status_update":true}`)
		a, err := f.Agent(t.Context(), f.agent)
		f.Must(err)
		want := &daemon.AgentStatus{Status: "running", Load1Min: 2.5, Processors: 4, Time: f.Clock.Now()}
		if diff := cmp.Diff(want, a.Status); diff != "" {
			t.Errorf("%s (-want +got)\n%s", load, diff)
		}
	}
}

// A huge wish to wait is bounded, not turned into a negative one or refused.
func TestHugeAndNegativeWaitsAreHarmless(t *testing.T) {
	f := open(t)
	f.Quiesce() // so that no answer is held back
	for _, wait := range []string{"1e300", "-1e300", "0.001", "-1"} {
		status, body := f.request("POST", "/agent/"+f.agent+"/fetch-builds", `{"systems":["x86_64-linux"],"wait_seconds":`+wait+`}`)
		if status != http.StatusOK || !strings.Contains(body, f.build) {
			t.Errorf("%s: got %d %s, want the build", wait, status, body)
		}
	}
}

func TestHeadersAreWhatAStrictClientCanRead(t *testing.T) {
	f := open(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", f.url+"/agent/"+f.agent, nil)
	f.Must(err)
	req.SetBasicAuth(f.agent, f.password)
	resp, err := http.DefaultClient.Do(req)
	f.Must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	f.Must(err)
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("got the type %q, want application/json", got)
	}
	if resp.ContentLength != int64(len(body)) || resp.Proto != "HTTP/1.1" {
		t.Errorf("got %d of %d bytes by %s, want all by HTTP/1.1", resp.ContentLength, len(body), resp.Proto)
	}
	var object map[string]any
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&object); err != nil || object["uuid"] != f.agent || object["id"] != f.agent {
		t.Errorf("got %s, want the agent with its UUID as uuid and as id", body)
	}
}
