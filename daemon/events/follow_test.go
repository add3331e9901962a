package events_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"

	"github.com/google/go-cmp/cmp"
)

// What goes over the wire, to the byte: Guile's client is strict, and holds
// chunks back.
func TestTheStreamIsDelimitedByTheEndOfTheConnection(t *testing.T) {
	f := serve(t, coordinatortest.Open(t))
	_, err := f.NewAgent(t.Context(), coordinatortest.UUID(1), "bedok", "")
	f.Must(err)
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	f.Must(err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := bufio.NewReader(conn)
	var got strings.Builder
	for !strings.HasSuffix(got.String(), "\n\n") {
		line, err := r.ReadString('\n')
		f.Must(err)
		if !strings.HasPrefix(line, "Date: ") {
			got.WriteString(line)
		}
	}
	want := `HTTP/1.1 200 OK
Cache-Control: no-store
Content-Type: text/event-stream; charset=utf-8
X-Accel-Buffering: no
Connection: close

id: 1
event: agent-status-update
data: {"active":true,"agent-id":"7bdd2249-1214-431a-aa61-000000000001","agent_id":"7bdd2249-1214-431a-aa61-000000000001",` +
		`"description":"","mode":"working","name":"bedok","requested-systems":[],"requested_systems":[],"tags":[],"timestamp":"2025-08-13 00:00:00"}

`
	if diff := cmp.Diff(want, strings.ReplaceAll(got.String(), "\r\n", "\n")); diff != "" {
		t.Errorf("the stream (-want +got)\n%s", diff)
	}
}

func TestHEADAsksForTheHeaderOnly(t *testing.T) {
	f := serve(t, coordinatortest.Open(t))
	resp, err := http.Head(f.url + "/events")
	f.Must(err)
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream; charset=utf-8" {
		t.Errorf("got the status %d and the type %q", resp.StatusCode, got)
	}
}

// happen makes n events.
func (f *farm) happen(agent string, n int) {
	f.t.Helper()
	for range n {
		f.Must(f.ReportStatus(f.t.Context(), agent, daemon.AgentStatus{Status: "idle"}))
	}
}

func TestWhereAFollowerBegins(t *testing.T) {
	f := serve(t, coordinatortest.Open(t))
	agent, _ := f.Joined("bedok")
	f.happen(agent, 9)
	f.Exec("DELETE FROM events WHERE id <= 5")
	const next = 0 // what happens after it began
	for _, tt := range []struct {
		name, query, header string
		want                int64
	}{
		{"nothing said", "", "", next},
		{"after one that is kept", "?after=7", "", 8},
		{"the other spelling", "?after_event_id=7", "", 8},
		{"the header", "", "7", 8},
		{"the header wins: a browser comes back to the same URL", "?after=6", "8", 9},
		{"an empty parameter says nothing", "?after=", "", next},
		{"after one that is not kept", "?after=2", "", 6},
		{"after the one before the oldest kept", "?after=5", "", 6},
		{"zero", "?after=0", "", 6},
		{"a number below", "?after=-3", "", 6},
		{"one that never was, as after a backup was restored", "?after=1000", "", 6},
		{"a parameter that nobody knows", "?since=3", "", next},
	} {
		follower := f.follow(tt.query, tt.header)
		if tt.want == next {
			f.happen(agent, 1)
			_, newest, err := f.EventRange(t.Context())
			f.Must(err)
			tt.want = newest
		}
		for _, want := range []int64{tt.want, tt.want + 1} {
			if want == tt.want+1 {
				f.happen(agent, 1)
			}
			if got := follower.must().id; got != want {
				t.Errorf("%s: got the event %d, want %d", tt.name, got, want)
			}
		}
		follower.close()
	}
}

func TestWhatIsNoIDIsRefused(t *testing.T) {
	f := serve(t, coordinatortest.Open(t))
	for _, query := range []string{"?after=x", "?after=1e3", "?after=99999999999999999999", "?after_event_id=%00", "?after=%zz"} {
		resp, err := http.Get(f.url + "/events" + query)
		f.Must(err)
		body, err := io.ReadAll(resp.Body)
		f.Must(err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"error"`) {
			t.Errorf("%s: got %d %s, want 400 with a JSON error", query, resp.StatusCode, body)
		}
	}
}

// Followers far behind read pages from the database and then go on with the
// frames in memory, whatever the number of events.
func TestManyEventsForFollowersEverywhere(t *testing.T) {
	f := serve(t, coordinatortest.Open(t))
	agent, _ := f.Joined("bedok")
	live := f.follow("", "")
	defer live.close()
	f.Exec(`WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
		INSERT INTO events SELECT i, 1755043200, json_object('event', 'agent-status-update', 'agent_id', ?) FROM n`, agent)
	f.happen(agent, 1)
	for _, after := range []int64{1, 3000, 9998, 9999} {
		follower := f.follow(fmt.Sprint("?after=", after), "")
		for id := after + 1; id <= 10_000; id++ {
			if got := follower.must().id; got != id {
				t.Fatalf("after %d: got the event %d, want %d", after, got, id)
			}
		}
		follower.close()
	}
	for id := int64(2); id <= 10_000; id++ {
		if got := live.must().id; got != id {
			t.Fatalf("live: got the event %d, want %d", got, id)
		}
	}
}
