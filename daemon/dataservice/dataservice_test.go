//go:debug default=go1.25
package dataservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/dataservice/dataservicetest"
)

// direct is a transport that calls a handler, without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func drv(n int) string { return fmt.Sprintf("/gnu/store/%032d-p-%d.drv", n, n) }

// serviceOf has a revision with n packages.
func serviceOf(n int) (*dataservicetest.Service, *Client) {
	s := dataservicetest.New()
	var packages []dataservicetest.Package
	for i := range n {
		packages = append(packages, dataservicetest.Package{Name: "p", Version: fmt.Sprint(i), File: "gnu/packages/p.scm",
			Derivations: []dataservicetest.Derivation{{Path: drv(i), System: "x86_64-linux"}}})
	}
	s.Process("c0ffee", packages)
	return s, &Client{Base: "http://data.example/", HTTP: &http.Client{Transport: direct{s}}}
}

func count(t *testing.T, c *Client) (n int, err error) {
	t.Helper()
	err = c.Derivations(t.Context(), "c0ffee", "x86_64-linux", "", func(Derivation) error { n++; return nil })
	return n, err
}

func TestAllPagesAreRead(t *testing.T) {
	for _, tt := range []struct{ packages, page, most, requests int }{
		{0, 10, 0, 1}, {9, 10, 0, 2}, {10, 10, 0, 2}, {25, 10, 0, 4}, {25, 0, 0, 2},
		{25, 20, 10, 4}, // the service gives fewer than one asks for
	} {
		s, c := serviceOf(tt.packages)
		c.Page = tt.page
		s.MaxPage(tt.most)
		n, err := count(t, c)
		if asked := s.Asked(); n != tt.packages || err != nil || len(asked) != tt.requests {
			t.Errorf("%+v: got %d derivations, %v, in %d requests:\n%s", tt, n, err, len(asked), strings.Join(asked, "\n"))
		}
	}
}

func TestRepositoriesByAnyName(t *testing.T) {
	_, c := serviceOf(0)
	for which, want := range map[string]string{"": "1", "guix": "1", "2": "2", "https://codeberg.org/guix-science/guix-science.git": "2"} {
		if got, err := c.Repository(t.Context(), which); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", which, got, err, want)
		}
	}
	if _, err := c.Repository(t.Context(), "nonguix"); err == nil || !strings.Contains(err.Error(), "guix-science") {
		t.Errorf("got %v, want an error with the repositories that there are", err)
	}
}

func TestRevisions(t *testing.T) {
	_, c := serviceOf(1)
	if got, err := c.Latest(t.Context(), "1", "master"); got != "c0ffee" || err != nil {
		t.Errorf("got %q, %v, want the latest revision", got, err)
	}
	if _, err := c.Latest(t.Context(), "1", "no-branch"); err == nil || !strings.Contains(err.Error(), "no latest revision") {
		t.Errorf("got %v, want what the service says", err)
	}
	if _, err := c.Revision(t.Context(), "bad"); daemon.CodeOf(err) != daemon.Invalid || !strings.Contains(err.Error(), "does not know the commit bad") {
		t.Errorf("got %v, want that the commit is not known", err)
	}
}

// A service in trouble is asked again, one that refuses is not.
func TestBadDays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		trouble  func(*dataservicetest.Service)
		code     daemon.Code
		says     string
		requests int // that got an answer
	}{
		{"it comes back", func(s *dataservicetest.Service) { s.Fail(502, "<html>Bad Gateway", 3) }, "", "", 2},
		{"it stays away", func(s *dataservicetest.Service) { s.Fail(502, "<html>Bad Gateway", 4) }, daemon.Unavailable, "<html>Bad Gateway", 0},
		{"it is busy", func(s *dataservicetest.Service) { s.Fail(429, "", 1) }, "", "", 2},
		{"it refuses", func(s *dataservicetest.Service) { s.Fail(200, `{"error":"invalid query"}`, 1) }, daemon.Invalid, "invalid query", 0},
		{"it talks nonsense", func(s *dataservicetest.Service) { s.Fail(200, "<html>Welcome</html>", 1) }, daemon.Invalid, "<html>Welcome</html>", 0},
		{"it is slow", func(s *dataservicetest.Service) { s.Hang(4 * time.Minute); s.Fail(500, "", 1) }, "", "", 2},
		{"it says nothing", func(s *dataservicetest.Service) {
			for range 4 {
				s.Hang(time.Hour)
			}
		}, daemon.Unavailable, "does not answer", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := serviceOf(3)
				tt.trouble(s)
				n, err := count(t, c)
				if tt.code == "" && (n != 3 || err != nil) {
					t.Fatalf("got %d derivations, %v, want 3", n, err)
				}
				if daemon.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("got %v, want the code %q and %q", err, tt.code, tt.says)
				}
				if got := len(s.Asked()); got != tt.requests {
					t.Errorf("got %d requests, want %d", got, tt.requests)
				}
			})
		})
	}
}

func TestPausesEndWithTheContext(t *testing.T) {
	s, c := serviceOf(1)
	s.Fail(500, "", 100)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := c.Derivations(ctx, "c0ffee", "x86_64-linux", "", nil); !errors.Is(err, enough) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestDisorderIsAnError(t *testing.T) {
	c := &Client{Base: "http://data.example", HTTP: &http.Client{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"derivations":[{"derivation":%q},{"derivation":%q}]}`, drv(2), drv(1))
	})}}}
	if n, err := count(t, c); n != 1 || err == nil { // else paging would never end
		t.Errorf("got %d derivations, %v, want an error after the first", n, err)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{`{"derivations":[{"derivation":"/gnu/store/x.drv","system":"x86_64-linux","target":""}]}`,
		`{"error":"invalid query"}`, `{"unknown_commit":"c"}`, `{"repositories":[{"id":1,"label":"guix"}]}`,
		`{"packages":[{"name":"a","version":"1","location":{"file":"f.scm","line":1}},{"name":"b","location":"g.scm"}]}`, `[]`, `<html>`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &Client{Base: "http://data.example", HTTP: &http.Client{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("after_name") {
				text = `{"derivations":[]}`
			}
			fmt.Fprint(w, text)
		})}}}
		for _, err := range []error{
			func() error { _, err := c.Repository(t.Context(), ""); return err }(),
			func() error { _, err := c.Latest(t.Context(), "1", "master"); return err }(),
			func() error { _, err := c.Packages(t.Context(), "c"); return err }(),
			func() error { return c.Derivations(t.Context(), "c", "x", "", func(Derivation) error { return nil }) }(),
		} {
			if err != nil {
				if daemon.CodeOf(err) != daemon.Invalid {
					t.Fatalf("got the error %v, want one of the code invalid", err)
				}
			}
		}
	})
}
