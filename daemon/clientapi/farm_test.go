package clientapi_test

import (
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

func TestAgentsArePausedAndResumed(t *testing.T) {
	f := open(t)
	id, _ := f.Joined("bedok")
	for _, mode := range daemon.Modes {
		reply := f.accept("PUT", "/agent/"+id+"/mode", `{"mode":"`+string(mode)+`","name":"not this"}`)
		if reply["mode"] != string(mode) || reply["name"] != "bedok" || reply["build_id"] != nil {
			t.Errorf("got the reply %v, want the mode %s", reply, mode)
		}
	}
	f.accept("PATCH", "/agent/"+id, `{"mode":"paused"}`)
	if a, err := f.Agent(t.Context(), id); err != nil || a.Mode != daemon.Paused {
		t.Errorf("got the mode %s, %v, want paused", a.Mode, err)
	}
	working := daemon.Working
	f.Must(clientapi.NewClient(f.url).ChangeAgent(t.Context(), id, wire.AgentChange{Mode: &working}))
}

func TestTokensOpenAndClose(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	token := func(body string) string {
		t.Helper()
		reply := f.accept("POST", "/dynamic-auth-tokens", body)
		if reply["token"] == nil || reply["token"] != reply["dynamic-auth-token"] {
			t.Errorf("got the reply %v, want the token in several spellings", reply)
		}
		return reply["token"].(string)
	}
	forever, short := token(``), token(`{"description":"cloud","expires_in":90}`)
	until := token(`{"expires-at":"2025-08-13 00:01:00"}`)
	for name, token := range map[string]string{"a": forever, "b": short, "c": until} {
		_, _, err := f.Enrol(ctx, name, token)
		f.Must(err)
	}
	list := f.accept("GET", "/dynamic-auth-tokens", "")["tokens"].([]any)
	if len(list) != 3 || list[1].(map[string]any)["description"] != "cloud" || list[1].(map[string]any)["expires-at"] != "2025-08-13 00:01:30" {
		t.Errorf("got the tokens %v, want three", list)
	}
	for _, secret := range []string{forever, short, until} {
		if _, text := f.request("GET", "/dynamic-auth-tokens", ""); strings.Contains(text, secret) {
			t.Errorf("the list tells a token: %s", text)
		}
	}
	f.accept("DELETE", "/dynamic-auth-tokens/1", "")
	f.Clock.Advance(80 * time.Second)
	for token, works := range map[string]bool{forever: false, short: true, until: false} {
		if _, _, err := f.Enrol(ctx, "d", token); (err == nil) != works {
			t.Errorf("later: got %v, want it to work: %t", err, works)
		}
	}
}

func TestTheOutboxIsListedAndTakenUpAgain(t *testing.T) {
	f := open(t)
	for n := range 3 {
		f.Exec(`INSERT INTO unprocessed_hook_events (hook, event, subject, arguments, created_at, attempts, parked, error)
			VALUES ('tell', 'build-success', ?, '{"build_id":"x"}', '2025-08-13 00:00:00', 3, ?, 'exit status 1')`, coordinatortest.UUID(n), n > 0)
	}
	ids := func(query string) (ids []any) {
		for _, e := range f.accept("GET", "/hooks"+query, "")["hook_events"].([]any) {
			ids = append(ids, e.(map[string]any)["hook-event-id"])
			if got := e.(map[string]any)["arguments"]; got != `{"build_id":"x"}` {
				t.Errorf("got the arguments %v, want them as the hook reads them", got)
			}
		}
		return ids
	}
	for query, want := range map[string][]any{"": {1.0, 2.0, 3.0}, "?parked=true": {2.0, 3.0}, "?parked=false": {1.0},
		"?after=1&limit=1": {2.0}, "?after=3": nil} {
		if diff := cmp.Diff(want, ids(query)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
	}
	if status := f.accept("GET", "/status", ""); status["parked-hook-events"] != 2.0 {
		t.Errorf("got the status %v, want two parked events", status)
	}
	if reply := f.accept("POST", "/hooks/retry", `{"hook-event-id":2}`); reply["hook_events_retried"] != 1.0 {
		t.Errorf("got the reply %v, want one event", reply)
	}
	if diff := cmp.Diff([]any{3.0}, ids("?parked=true")); diff != "" {
		t.Errorf("parked after one (-want +got)\n%s", diff)
	}
	f.accept("POST", "/hooks/retry", `{"all":true}`)
	if diff := cmp.Diff([]any(nil), ids("?parked=true")); diff != "" {
		t.Errorf("parked after all (-want +got)\n%s", diff)
	}
}

func TestTheStatusTellsOfBuildsAndAgents(t *testing.T) {
	f := history(t)
	reply := f.accept("GET", "/status", "")
	agents := reply["agents"].([]any)
	if reply["hands-out-builds"] != true || reply["trouble"] != nil || len(agents) != 1 {
		t.Fatalf("got the status %v, want no trouble and one agent", reply)
	}
	counts := map[string]any{"deferred": 1.0, "waiting": 0.0, "blocked": 1.0, "ready": 1.0, "allocated": 0.0, "started": 1.0,
		"succeeded": 1.0, "failed": 1.0, "canceled": 0.0}
	if diff := cmp.Diff(counts, reply["builds"]); diff != "" {
		t.Errorf("builds by state (-want +got)\n%s", diff)
	}
	for key, want := range map[string]any{"name": "bedok", "mode": "working", "allocated-builds-count": 1.0, "status": "running",
		"load_average_1min": 1.25, "active": true, "build_id": nil} {
		if diff := cmp.Diff(want, agents[0].(map[string]any)[key]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", key, diff)
		}
	}
}

func TestRequestsAboutTheFarmThatAreRefused(t *testing.T) {
	f := open(t)
	id, _ := f.Joined("bedok")
	huge, nothing := strings.Repeat(" ", wire.MaxBody+1), strings.Repeat("0", 32)+"-nothing"
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/agent/" + id + "/mode", ``, 400},
		{"PUT", "/agent/" + id + "/mode", `{"active":true}`, 400},
		{"PUT", "/agent/" + id + "/mode", `{"mode":"asleep"}`, 400},
		{"PUT", "/agent/" + id + "/mode", `{"mode":1}`, 400},
		{"PUT", "/agent/" + coordinatortest.UUID(9) + "/mode", `{"mode":"paused"}`, 404},
		{"PUT", "/agent/bedok/mode", `{"mode":"paused"}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_in":-1}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_in":1e300}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_in":"1h"}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_at":"2025-08-12 00:00:00"}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_at":"soon"}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"expires_in":1,"expires_at":"2025-08-14 00:00:00"}`, 400},
		{"POST", "/dynamic-auth-tokens", `{"description":"` + strings.Repeat("x", 10_001) + `"}`, 400},
		{"POST", "/dynamic-auth-tokens", huge, 413},
		{"DELETE", "/dynamic-auth-tokens/7", ``, 404},
		{"DELETE", "/dynamic-auth-tokens/seven", ``, 400},
		{"DELETE", "/dynamic-auth-tokens", ``, 404},
		{"GET", "/hooks?parked=yes", ``, 400},
		{"GET", "/hooks?limit=0", ``, 400},
		{"GET", "/hooks?limit=1001", ``, 400},
		{"GET", "/hooks?after=x", ``, 400},
		{"GET", "/hooks?unknown=1", ``, 400},
		{"GET", "/hooks?%zz", ``, 400},
		{"POST", "/hooks/retry", ``, 400},
		{"POST", "/hooks/retry", `{"hook_event_id":1,"all":true}`, 400},
		{"POST", "/hooks/retry", `{"hook_event_id":"1"}`, 400},
		{"POST", "/hooks/retry", `{"hook_event_id":1}`, 404},
		{"POST", "/hooks/retry", huge, 413},
		{"GET", "/output?output=/gnu/store/x", ``, 400},
		{"GET", "/output", ``, 400},
		{"GET", "/output/gnu/store/x", ``, 400},
		{"GET", "/output/gnu/store/../store/" + nothing, ``, 404},
		{"GET", "/output/gnu/store/" + nothing, ``, 404},
		{"GET", "/output?output=/gnu/store/" + nothing, ``, 404},
		{"GET", "/setup-failures?limit=0", ``, 400},
		{"GET", "/setup-failures?limit=1001", ``, 400},
		{"GET", "/setup-failures?before=x", ``, 400},
		{"GET", "/setup-failures?unknown=1", ``, 400},
		{"GET", "/setup-failures?%zz", ``, 400},
	} {
		f.refuse(tt.method, tt.path, tt.body, tt.status)
	}
}

func TestTheClientLooksAfterTheFarm(t *testing.T) {
	f := history(t)
	ctx := t.Context()
	c := clientapi.NewClient(f.url)
	token, err := c.NewToken(ctx, wire.NewTokenRequest{Description: "cloud", ExpiresIn: 60})
	f.Must(err)
	_, _, err = f.Enrol(ctx, "cloud-1", token)
	f.Must(err)
	tokens, err := c.Tokens(ctx)
	f.Must(err)
	want := []wire.Token{{ID: 1, Description: "cloud", Created: wire.Time{Time: f.Clock.Now()}, Expires: wire.Time{Time: f.Clock.Now().Add(time.Minute)}}}
	if diff := cmp.Diff(want, tokens); diff != "" {
		t.Errorf("tokens (-want +got)\n%s", diff)
	}
	f.Must(c.RevokeToken(ctx, 1))
	if err := c.RevokeToken(ctx, 1); err == nil {
		t.Error("a token was revoked twice")
	}
	// A page and one more.
	f.Exec(`INSERT INTO unprocessed_hook_events (hook, event, subject, arguments, created_at, parked)
		SELECT 'tell', 'build-success', 'x', '{}', '2025-08-13 00:00:00', 1 FROM json_each('[' || substr(replace(hex(zeroblob(1001)), '00', ',0'), 2) || ']')`)
	n := 0
	f.Must(c.HookEvents(ctx, true, func(wire.HookEvent) error {
		n++
		return nil
	}))
	if n != 1001 {
		t.Errorf("got %d events, want 1001", n)
	}
	if got, err := c.RetryHooks(ctx, 5); err != nil || got != 1 {
		t.Errorf("retry one: got %d, %v, want 1", got, err)
	}
	if got, err := c.RetryHooks(ctx, 0); err != nil || got != 1000 {
		t.Errorf("retry all: got %d, %v, want 1000", got, err)
	}
	s, err := c.Status(ctx)
	f.Must(err)
	if !s.HandsOut || len(s.Agents) != 2 || s.Agents[0].Allocated != 1 {
		t.Errorf("got the status %+v, want two agents, one of them with a build", s)
	}
}
