package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers is a server that gives one answer to everything.
func answers(t *testing.T, status int, header http.Header, body string) *Caller {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return NewCaller(server.URL+"/", nil)
}

func TestACallerUnderstandsRefusals(t *testing.T) {
	json := http.Header{"Content-Type": {"application/json"}}
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		want   StatusError
		text   string
	}{
		{"our own", 400, json, `{"error": "build_already_processed", "message": "the build is failed already"}`,
			StatusError{400, "build_already_processed", "the build is failed already", 0}, "the build is failed already"},
		{"one with a sentence only", 404, json, `{"error": "there is no build x"}`, StatusError{404, "there is no build x", "", 0}, "there is no build x"},
		{"upstream's", 403, json, `{"error":"access denied"}`, StatusError{403, "access denied", "", 0}, "access denied"},
		{"a proxy's page", 502, http.Header{"Content-Type": {"text/html"}}, "<html><h1>502 Bad Gateway</h1></html>",
			StatusError{Status: 502}, "the answer was HTTP 502 Bad Gateway"},
		{"nothing", 500, nil, "", StatusError{Status: 500}, "the answer was HTTP 500 Internal Server Error"},
		{"JSON of another kind", 500, json, `{"error": {"code": 7}}`, StatusError{Status: 500}, "the answer was HTTP 500 Internal Server Error"},
		{"one that says when to come again", 503, http.Header{"Retry-After": {"30"}}, `{"error": "busy"}`, StatusError{503, "busy", "", 30 * time.Second}, "busy"},
		{"one that says so as a date", 503, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, "", StatusError{Status: 503}, "the answer was HTTP 503 Service Unavailable"},
		{"one that says so in the past", 503, http.Header{"Retry-After": {"-5"}}, "", StatusError{Status: 503}, "the answer was HTTP 503 Service Unavailable"},
		{"one that says it for ever", 503, http.Header{"Retry-After": {"99999999999999999999"}}, "", StatusError{Status: 503}, "the answer was HTTP 503 Service Unavailable"},
		{"a status that nobody knows", 599, nil, "", StatusError{Status: 599}, "the answer was HTTP 599"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e *StatusError
			err := answers(t, tt.status, tt.header, tt.body).JSON(context.Background(), "GET", "/builds", nil, &BuildList{})
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a StatusError", err)
			}
			if diff := cmp.Diff(tt.want, *e); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if got := e.Error(); got != tt.text {
				t.Fatalf("got the text %q, want %q", got, tt.text)
			}
		})
	}
}

func TestACallerDoesNotFollowRedirects(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
	}))
	defer server.Close()
	var e *StatusError
	err := NewCaller(server.URL, nil).JSON(context.Background(), "POST", "/builds", Submission{}, nil)
	if !errors.As(err, &e) || e.Status != http.StatusMovedPermanently || asked != 1 {
		t.Fatalf("got %v after %d requests, want the redirect", err, asked)
	}
}

func TestACallerSendsWhatItIsGiven(t *testing.T) {
	type request struct{ Method, Path, Auth, Type, Body, Length string }
	var got request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = request{r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body), r.Header.Get("Content-Length")}
		if len(r.TransferEncoding) > 0 {
			got.Length = r.TransferEncoding[0]
		}
		Reply(w, http.StatusOK, NewAgentReply{"x"})
	}))
	defer server.Close()
	c := NewCaller(server.URL+"/", func(h http.Header) { h.Set("Authorization", "Bearer t") })
	ctx := context.Background()
	tests := []struct {
		name string
		do   func(out any) error
		want request
	}{
		{"a message", func(out any) error { return c.JSON(ctx, "POST", "/agents", NewAgentRequest{Name: "bedok"}, out) },
			request{"POST", "/agents", "Bearer t", "application/json", `{"name":"bedok"}`, "16"}},
		{"nothing", func(out any) error { return c.JSON(ctx, "GET", "/agents?a=b", nil, out) },
			request{"GET", "/agents?a=b", "Bearer t", "", "", ""}},
		{"a body of a known size", func(out any) error {
			return c.Do(ctx, "PUT", "/log", "application/gzip", Sized{io.MultiReader(strings.NewReader("log")), 3}, out)
		}, request{"PUT", "/log", "Bearer t", "application/gzip", "log", "3"}},
		{"a body of no bytes", func(out any) error {
			return c.Do(ctx, "PUT", "/log", "application/gzip", Sized{io.MultiReader(strings.NewReader("")), 0}, out)
		}, request{"PUT", "/log", "Bearer t", "application/gzip", "", "0"}},
		{"a body of a size that nobody knows", func(out any) error {
			return c.Do(ctx, "PUT", "/log", "application/gzip", io.MultiReader(strings.NewReader("log")), out)
		}, request{"PUT", "/log", "Bearer t", "application/gzip", "log", "chunked"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var reply NewAgentReply
			if err := tt.do(&reply); err != nil {
				t.Fatal(err)
			}
			if reply.ID != "x" {
				t.Errorf("got the answer %+v", reply)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("request (-want +got):\n%s", diff)
			}
			if err := tt.do(nil); err != nil {
				t.Fatalf("when nobody wants the answer: %v", err)
			}
		})
	}
}

func TestACallerSaysWhatMakesNoSense(t *testing.T) {
	for name, body := range map[string]string{"a page": "<html>", "nothing": "", "an array": "[]", "a part": `{"builds": [`} {
		err := answers(t, 200, nil, body).JSON(context.Background(), "GET", "/builds", nil, &BuildList{})
		if err == nil || !strings.Contains(err.Error(), "GET") || !strings.Contains(err.Error(), "/builds") || !strings.Contains(err.Error(), "makes no sense") {
			t.Errorf("%s: got %v, want an error that names the request", name, err)
		}
	}
}

func TestACallerGivesUpWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel(errors.New("enough"))
		<-done
	}))
	defer server.Close()
	defer close(done)
	if err := NewCaller(server.URL, nil).JSON(ctx, "GET", "/builds", nil, nil); err == nil {
		t.Fatal("got no error, want one")
	}
}

func TestACallerNamesWhatItCannotReach(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	err := NewCaller(server.URL, nil).JSON(context.Background(), "GET", "/builds", nil, nil)
	if err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Fatalf("got %v, want an error with the URL", err)
	}
	if err := NewCaller(":", nil).JSON(context.Background(), "GET", "/builds", nil, nil); err == nil {
		t.Fatal("a URL that is none: got no error")
	}
	if err := NewCaller(server.URL, nil).JSON(context.Background(), "GET", "/", func() {}, nil); !errors.As(err, new(*json.UnsupportedTypeError)) {
		t.Fatalf("a message that is none: got %v", err)
	}
}
