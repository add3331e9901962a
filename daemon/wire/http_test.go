package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

func TestReply(t *testing.T) {
	w := httptest.NewRecorder()
	Reply(w, http.StatusCreated, NewAgentReply{"x"})
	const body = `{"agent-id":"x","agent_id":"x"}`
	header := http.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(body))}}
	if diff := cmp.Diff(header, w.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if w.Code != http.StatusCreated || w.Body.String() != body {
		t.Errorf("got %d %s, want 201 %s", w.Code, w.Body, body)
	}
}

func TestAReplyThatCannotBeEncodedIsAnError(t *testing.T) {
	logged := capture(t)
	w := httptest.NewRecorder()
	Reply(w, http.StatusOK, map[string]float64{"load": math.Inf(1)})
	if w.Code != http.StatusInternalServerError || !json.Valid(w.Body.Bytes()) {
		t.Errorf("got %d %s, want 500 and JSON", w.Code, w.Body)
	}
	if !strings.Contains(logged(), "level=ERROR") {
		t.Errorf("the log has %q, want an error", logged())
	}
}

func TestFailSaysWhatTheCallerMayKnow(t *testing.T) {
	const inside = "the coordinator failed to serve the request; its log says why"
	tests := []struct {
		name   string
		err    error
		status int
		body   ErrorBody
		logged bool
	}{
		{"an invalid request", daemon.Errorf(daemon.Invalid, "no"), 400, ErrorBody{"no", ""}, false},
		{"who may not", daemon.Errorf(daemon.Denied, "no"), 403, ErrorBody{"access denied", "no"}, false},
		{"what is not there", daemon.Errorf(daemon.NotFound, "no"), 404, ErrorBody{"no", ""}, false},
		{"a contradiction", daemon.Errorf(daemon.Conflict, "no"), 409, ErrorBody{"no", ""}, false},
		{"what is too large", daemon.Errorf(daemon.TooLarge, "no"), 413, ErrorBody{"no", ""}, false},
		{"what cannot be done now", daemon.Errorf(daemon.Unavailable, "no"), 503, ErrorBody{"no", ""}, false},
		{"a build that has its result", daemon.Errorf(daemon.Processed, "no"), 400, ErrorBody{"build_already_processed", "no"}, false},
		{"a code within other errors", fmt.Errorf("save /secret/place: %w", daemon.Errorf(daemon.Invalid, "no")), 400, ErrorBody{"no", ""}, false},
		{"the farm's own trouble", errors.New("open /secret/place: disk on fire"), 500, ErrorBody{"internal error", inside}, true},
		{"a code that nobody knows", daemon.Errorf("new", "no"), 500, ErrorBody{"internal error", inside}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			logged := capture(t)
			w := httptest.NewRecorder()
			Fail(w, httptest.NewRequest("GET", "/builds", nil), tt.err)
			var body ErrorBody
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status {
				t.Errorf("got %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.body, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got := strings.Contains(logged(), tt.err.Error()); got != tt.logged {
				t.Errorf("the log has %q", logged())
			}
		})
	}
}

func TestTroubleOfACallerWhoIsGoneIsNotLogged(t *testing.T) {
	logged := capture(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	Fail(httptest.NewRecorder(), httptest.NewRequest("GET", "/builds", nil).WithContext(ctx), ctx.Err())
	if logged() != "" {
		t.Fatalf("the log has %q, want nothing", logged())
	}
}

// post sends a body to a handler that reads a status report, over a real
// connection, and returns the answer's status and body.
func post(t *testing.T, body io.Reader) (status int, text string, report StatusReport) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Read(w, r, &report); err != nil {
			Fail(w, r, err)
			return
		}
		Reply(w, http.StatusOK, ErrorBody{})
	}))
	defer server.Close()
	resp, err := http.Post(server.URL, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data), report
}

func TestRead(t *testing.T) {
	largest := `{"status": "idle", "padding": "` + strings.Repeat("x", MaxBody-33) + `"}`
	tests := []struct {
		name, body string
		status     int
		text       string // of the answer
		read       string // the status that was read
	}{
		{"a message", `{"status": "idle"}`, 200, "", "idle"},
		{"nothing", "", 200, "", ""},
		{"as much as is allowed", largest, 200, "", "idle"},
		{"a byte more", largest + " ", 413, "larger than 8388608 bytes", ""},
		{"bad JSON", `{"status"`, 400, "the request's body: unexpected EOF", ""},
		{"another type", `{"status": 1}`, 400, "the request's body: json: cannot unmarshal number", ""},
		{"no object", `[]`, 400, "want a JSON object", ""},
	}
	for _, tt := range tests {
		for _, framing := range []string{"with its length", "in chunks"} {
			t.Run(tt.name+" "+framing, func(t *testing.T) {
				var body io.Reader = strings.NewReader(tt.body)
				if framing == "in chunks" {
					body = io.MultiReader(body)
				}
				status, text, report := post(t, body)
				if status != tt.status || !strings.Contains(text, tt.text) {
					t.Fatalf("got %d %s, want %d and %q", status, text, tt.status, tt.text)
				}
				if report.Status != tt.read {
					t.Fatalf("read %q, want %q", report.Status, tt.read)
				}
			})
		}
	}
}

func TestABodyThatEndsEarlyIsTheCallersFault(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), errorReader{io.ErrUnexpectedEOF}))
	if err := Read(httptest.NewRecorder(), r, &StatusReport{}); daemon.CodeOf(err) != daemon.Invalid {
		t.Fatalf("got %v, want an invalid request", err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }
