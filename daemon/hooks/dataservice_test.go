package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
)

const token = "5ecr/t+K"

// service is a data service that answers as it is told.
type service struct {
	*httptest.Server
	status int
	body   string
	got    []string // method, URL, type and body of the requests
}

func newService(t *testing.T) *service {
	s := &service{status: http.StatusNoContent}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.got = append(s.got, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), string(body)}, "\n"))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(s.status)
		io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func newTestReporter(t *testing.T, log io.Writer, url string) *reporter {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newReporter(DataService{URL: url, ID: 2, TokenFile: file}, config.ReadSecret, slog.New(slog.NewTextHandler(log, nil)))
}

func buildEvent(t *testing.T, name string) daemon.HookEvent {
	t.Helper()
	e := daemon.Event{Name: name, Time: time.Date(2025, 8, 13, 1, 2, 3, 456, time.UTC), Build: "7bdd2249-1214-431a-aa61-000000000001",
		Derivation: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello-2.12.drv", System: "x86_64-linux", Agent: "some agent"}
	arguments, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return daemon.HookEvent{Event: name, Subject: e.Build, Arguments: arguments}
}

func TestADataServiceGetsItsOwnWords(t *testing.T) {
	for name, status := range map[string]string{"build-submitted": "scheduled", "build-started": "started", "build-success": "succeeded",
		"build-failure": "failed", "build-canceled": "canceled"} {
		s := newService(t)
		if err := newTestReporter(t, t.Output(), s.URL).tell(t.Context(), buildEvent(t, name)); err != nil {
			t.Fatalf("%s: got the error %v, want none", name, err)
		}
		want := "POST\n/build-server/2/build-events?token=5ecr%2Ft%2BK\napplication/json\n" +
			`{"items":[{"type":"build","event":"` + status + `","timestamp":1755046923,` +
			`"derivation":"/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello-2.12.drv","build_id":"7bdd2249-1214-431a-aa61-000000000001"}]}`
		if len(s.got) != 1 || s.got[0] != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(s.got, "\n"), want)
		}
	}
}

func TestTheConfigurationAllowsWhatCanBeReported(t *testing.T) {
	for _, event := range event.Names {
		_, can := statuses[event]
		if may := slices.Contains(config.ReportedEvents, event); can != may {
			t.Errorf("%s: can be reported: %v, may be configured: %v", event, can, may)
		}
	}
}

func TestADataServiceBelowAPath(t *testing.T) {
	s := newService(t)
	if err := newTestReporter(t, t.Output(), s.URL+"/data/").tell(t.Context(), buildEvent(t, "build-started")); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.got[0], "POST\n/data/build-server/2/build-events?") {
		t.Errorf("got %s", s.got[0])
	}
}

func TestAnswersOfADataService(t *testing.T) {
	const file = "TOKENFILE"
	for _, test := range []struct {
		name    string
		status  int
		body    string
		want    string // the end of the error; empty for none
		refused bool
	}{
		{"done", 204, "", "", false},
		{"done with words", 200, `{"ok":true}`, "", false},
		{"a body that it cannot read", 400, `{"error":"could not parse body as JSON"}`,
			"the data service answers 400 Bad Request: could not parse body as JSON (it does not understand this report, and will not the next time)", true},
		{"a body without items", 400, `{"error":"no items to process"}`,
			"400 Bad Request: no items to process (it does not understand this report, and will not the next time)", true},
		{"a body without the key", 400, `{"error":"missing items key"}`,
			"400 Bad Request: missing items key (it does not understand this report, and will not the next time)", true},
		{"a wrong token", 403, `{"error":"error"}`, "403 Forbidden: error (is the token in " + file + " the one for build server 2?)", true},
		{"trouble of its own", 500, `{"error":"could not process events"}`, "500 Internal Server Error: could not process events", false},
		{"a proxy's page", 502, "<html>\n<h1>Bad gateway</h1>", "502 Bad Gateway: <html> <h1>Bad gateway</h1>", false},
		{"another refusal", 404, "", "404 Not Found: ", false},
		{"a redirect", 302, "", "302 Found:  (the configuration must have the URL that it is redirected to)", false},
		{"an echo of the token", 500, "no: " + token + " or 5ecr%2Ft%2BK", "500 Internal Server Error: no: TOKEN or TOKEN", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t)
			s.status, s.body = test.status, test.body
			var log bytes.Buffer
			r := newTestReporter(t, &log, s.URL)
			err := r.tell(t.Context(), buildEvent(t, "build-success"))
			if test.want == "" {
				if err != nil {
					t.Errorf("got the error %v, want none", err)
				}
				return
			}
			got := strings.ReplaceAll(fmt.Sprint(err), r.TokenFile, file)
			if !strings.HasPrefix(got, "POST "+s.URL+"/build-server/2/build-events: ") || !strings.HasSuffix(got, test.want) {
				t.Errorf("got the error %q, want one that ends with %q", got, test.want)
			}
			if refused := errors.As(err, new(refusal)); refused != test.refused {
				t.Errorf("got a refusal: %v, want %v", refused, test.refused)
			}
			if strings.Contains(got+log.String(), token) || strings.Contains(got+log.String(), "5ecr%2F") {
				t.Errorf("the token is in %q", got+log.String())
			}
			if len(s.got) != 1 {
				t.Errorf("got %d requests, want one", len(s.got))
			}
		})
	}
}

func TestADataServiceThatIsAway(t *testing.T) {
	s := newService(t)
	s.Close()
	err := newTestReporter(t, t.Output(), s.URL).tell(t.Context(), buildEvent(t, "build-success"))
	if err == nil || errors.As(err, new(refusal)) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "token") {
		t.Errorf("got the error %v, want that the connection was refused, without the token", err)
	}
}

func TestAnEventThatCannotBeReportedIsRefused(t *testing.T) {
	s := newService(t)
	r := newTestReporter(t, t.Output(), s.URL)
	damaged := buildEvent(t, "build-success")
	damaged.Arguments = []byte("{")
	for _, e := range []daemon.HookEvent{buildEvent(t, "build-missing-inputs"), damaged} {
		if err := r.tell(t.Context(), e); !errors.As(err, new(refusal)) {
			t.Errorf("%s: got the error %v, want a refusal", e.Event, err)
		}
	}
	if len(s.got) > 0 {
		t.Errorf("got the requests %q, want none", s.got)
	}
}

func TestTheTokensFileIsReadEachTime(t *testing.T) {
	s := newService(t)
	var log bytes.Buffer
	r := newTestReporter(t, &log, s.URL)
	if err := os.Chmod(r.TokenFile, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(r.TokenFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := r.tell(t.Context(), buildEvent(t, "build-success")); err != nil {
			t.Fatal(err)
		}
		if got := s.got[len(s.got)-1]; !strings.Contains(got, "token="+text+"\n") {
			t.Errorf("got %q, want the %s token", got, text)
		}
	}
	if n := strings.Count(log.String(), "can be read by others"); n != 1 {
		t.Errorf("the mode was warned of %d times, want once:\n%s", n, log.String())
	}
	if err := os.Remove(r.TokenFile); err != nil {
		t.Fatal(err)
	}
	if err := r.tell(t.Context(), buildEvent(t, "build-success")); !errors.Is(err, os.ErrNotExist) || errors.As(err, new(refusal)) {
		t.Errorf("got the error %v, want that the file is not there", err)
	}
}
