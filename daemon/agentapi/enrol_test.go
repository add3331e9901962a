package agentapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"github.com/google/go-cmp/cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func (f *farm) token() string {
	f.t.Helper()
	token, err := f.NewToken(f.t.Context(), "", time.Time{})
	f.Must(err)
	return token
}

func TestAgentsEnrolOnEveryRoute(t *testing.T) {
	f := open(t)
	token := f.token()
	for i, path := range []string{"/agent-session", "/agent-sessions", "/agent/session", "/agent", "/agent/dynamic-auth", "/dynamic-auth", "/agents"} {
		name := fmt.Sprint("cloud-", i)
		body := []string{`{"name":%q,"token":%q}`, `{"agent-name":%q,"dynamic-auth-token":%q}`}[i%2]
		status, text := f.request("POST", path, fmt.Sprintf(body, name, token), authorization())
		var reply map[string]string
		if err := json.Unmarshal([]byte(text), &reply); err != nil || status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", path, status, text)
			continue
		}
		for _, key := range []string{"id", "uuid", "agent-id", "agent_id"} {
			f.Must(f.Authenticate(t.Context(), reply[key], reply["password"]))
		}
		if a, err := f.Agent(t.Context(), reply["id"]); err != nil || a.Name != name {
			t.Errorf("%s: got the agent %+v, %v, want %s", path, a, err, name)
		}
	}
}

func TestEnrolmentsThatAreRefused(t *testing.T) {
	f := open(t)
	token := f.token()
	f.Clock.Advance(time.Hour)
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"nothing", ``, 400},
		{"no name", `{"token":"` + token + `"}`, 400},
		{"a name that is a novel", `{"name":"` + strings.Repeat("x", 201) + `","token":"` + token + `"}`, 400},
		{"no token", `{"name":"bedok"}`, 403},
		{"a wrong token", `{"name":"bedok","token":"` + token[1:] + `"}`, 403},
		{"an agent's password", `{"name":"bedok","token":"` + f.password + `"}`, 403},
		{"a token that is a list", `{"name":"bedok","token":["` + token + `"]}`, 400},
		{"no JSON", `name=bedok`, 400},
		{"too much", strings.Repeat(" ", wire.MaxBody+1), 413},
	} {
		f.refuse(tt.name, "POST", "/agent-session", tt.body, tt.status)
	}
}

func TestWhoGuessesTokensHasToWait(t *testing.T) {
	f := open(t)
	token := f.token()
	for range 10 {
		f.refuse("a guess", "POST", "/agent-session", `{"name":"x","token":"guess"}`, http.StatusForbidden)
	}
	f.Clock.Advance(20 * time.Second)
	f.refuse("a guess too many", "POST", "/agent-session", `{"name":"x","token":"guess"}`, http.StatusTooManyRequests)
	_, _, err := agentapi.Enrol(t.Context(), f.url, "cloud", token, nil)
	var status *wire.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusTooManyRequests || status.RetryAfter != 40*time.Second {
		t.Fatalf("got the error %#v, want 429 after 40 s", err)
	}
	f.Clock.Advance(40 * time.Second)
	_, _, err = agentapi.Enrol(t.Context(), f.url, "cloud", token, nil)
	f.Must(err)
}

func TestWhoGuessesTokensKeepsNobodyElseOut(t *testing.T) {
	f := open(t)
	h := agentapi.Handler(f.Coordinator, http.NotFoundHandler())
	enrol := func(from, token string) int {
		r := httptest.NewRequest("POST", "/agent-session", strings.NewReader(`{"name":"cloud","token":"`+token+`"}`))
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for range 11 {
		enrol("192.0.2.1:5000", "guess")
	}
	if got := enrol("192.0.2.1:5001", "guess"); got != http.StatusTooManyRequests {
		t.Errorf("who guesses got %d, want 429", got)
	}
	if got := enrol("[2001:db8::1]:5000", f.token()); got != http.StatusOK {
		t.Errorf("another got %d, want 200", got)
	}
	for n := range 1100 {
		enrol(fmt.Sprintf("[2001:db8::1:%x]:5000", n), "guess")
	}
	if got := enrol("[2001:db8::2]:5000", "guess"); got != http.StatusTooManyRequests {
		t.Errorf("one of very many got %d, want 429", got)
	}
}

func TestTheClientEnrols(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	id, password, err := agentapi.Enrol(ctx, f.url+"/", "bedok", f.token(), nil)
	f.Must(err)
	if id != f.agent {
		t.Errorf("got the agent %s, want the one with the name, %s", id, f.agent)
	}
	f.Must(agentapi.NewClient(f.url, id, password).ReportStatus(ctx, daemon.AgentStatus{Status: "idle"}, true))
	_, _, err = agentapi.Enrol(ctx, f.url, "bedok", "wrong", nil)
	var status *wire.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusForbidden || status.Error() != "this token is not valid" {
		t.Errorf("got the error %#v, want 403", err)
	}
}

func TestTheClientEnrolsAtOtherCoordinators(t *testing.T) {
	for name, tt := range map[string]struct {
		path, reply string
		works       bool
	}{
		"another route":     {"/agent/session", `{"id":"x","password":"y"}`, true},
		"another spelling":  {"/agent-session", `{"agent-id":"x","password":"y"}`, true},
		"without a route":   {"/nowhere", ``, false},
		"without an id":     {"/agent-session", `{"password":"y"}`, false},
		"without an answer": {"/agent-session", `hello`, false},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("POST "+tt.path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.reply) })
			server := httptest.NewServer(mux)
			defer server.Close()
			id, password, err := agentapi.Enrol(t.Context(), server.URL, "bedok", "token", nil)
			if tt.works != (err == nil) || tt.works && (id != "x" || password != "y") {
				t.Fatalf("got %q, %q, %v, want it to work: %t", id, password, err, tt.works)
			}
		})
	}
}

// An agent that believes to hold a build hears at once that it does not.
func TestTheClientSaysWhatItHolds(t *testing.T) {
	f := open(t)
	c := agentapi.NewClient(f.url, f.agent, f.password)
	_, err := f.CancelBuild(t.Context(), f.build, false)
	f.Must(err)
	answer, err := c.FetchBuilds(t.Context(), []string{coordinatortest.System}, 1, time.Hour, f.build)
	f.Must(err)
	if diff := cmp.Diff(agentapi.Fetched{Builds: []daemon.Allocation{}, Gone: []string{f.build}, Waits: true}, answer); diff != "" {
		t.Fatalf("the answer (-want +got)\n%s", diff)
	}
	f.refuse("too many", "POST", "/agent/"+f.agent+"/fetch-builds",
		`{"systems":["x86_64-linux"],"held_builds":["`+strings.Repeat(`x","`, 1001)+`"]}`, http.StatusBadRequest)
	f.refuse("no list", "POST", "/agent/"+f.agent+"/fetch-builds", `{"systems":["x86_64-linux"],"held-builds":"x"}`, http.StatusBadRequest)
}
