package substitutes

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestNarinfo(t *testing.T) {
	s := newServer(t, hello, "Derive()", []string{"zstd"}, nil)
	var client Client
	urls := []string{status(t, 404).URL, s.URL + "/", s.URL + "/unused"}
	info, base, err := client.Narinfo(t.Context(), urls, hello)
	if err != nil {
		t.Fatal(err)
	}
	if base != urls[1] {
		t.Errorf("it is from %s", base)
	}
	if diff := cmp.Diff(&s.info, info, cmpopts.IgnoreUnexported(narinfo.Info{})); diff != "" {
		t.Errorf("narinfo (-want +got):\n%s", diff)
	}
}

func TestNarinfoBelowAPath(t *testing.T) {
	s := newServer(t, hello, "Derive()", []string{"zstd"}, nil)
	below := httptest.NewServer(http.StripPrefix("/substitutes/guix", s.mux))
	defer below.Close()
	var client Client
	for _, base := range []string{below.URL + "/substitutes/guix", below.URL + "/substitutes/guix/"} {
		if _, err := client.Derivation(t.Context(), []string{base}, hello); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	s := answering(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header; w.WriteHeader(404) })
	var client Client
	client.Narinfo(t.Context(), []string{s.URL}, hello)
	if got.Get("User-Agent") != "tbfg" || got.Get("Accept-Encoding") != "identity" {
		t.Errorf("headers: %v", got)
	}
}

// What callers tell apart: not found, unavailable, and all else.
func TestNarinfoFailures(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	var (
		notFound  = status(t, 404).URL
		broken    = status(t, 500).URL
		forbidden = status(t, 403).URL
		other     = newServer(t, greeting, "Derive()", []string{"zstd"}, nil).info.Text()
		baking    = answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Baking", "1")
			w.WriteHeader(404)
		}).URL
		page = answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("<html>Please log in</html>"))
		}).URL
		wrong = answering(t, func(w http.ResponseWriter, r *http.Request) { w.Write(other) }).URL
		half  = answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write(other[:100])
		}).URL
		large = answering(t, func(w http.ResponseWriter, r *http.Request) {
			for range narinfo.MaxSize / 1000 {
				w.Write(bytes.Repeat([]byte("#\n"), 512))
			}
		}).URL
		announced = answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1234567890123")
		}).URL
		loop = answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }).URL
	)
	for _, test := range []struct {
		name        string
		urls        []string
		notFound    bool
		unavailable bool
		want        []string
	}{
		{"no servers", nil, true, false, []string{string(hello), "no substitute URL"}},
		{"one that does not have it", []string{notFound}, true, false, []string{string(hello), "not found at " + notFound}},
		{"several that do not have it", []string{notFound, status(t, 410).URL}, true, false, []string{notFound + ", http"}},
		{"an error inside a server", []string{broken}, false, true, []string{string(hello), broken + "/2nfg", "500"}},
		{"a failing one before one that does not have it", []string{broken, notFound}, false, true, []string{"500", "; " + notFound, "not found"}},
		{"one that does not have it before a failing one", []string{notFound, broken}, false, true, []string{notFound, "not found; ", "500"}},
		{"nobody listens", []string{gone.URL}, false, true, []string{"connection refused"}},
		{"no such host", []string{"http://user:secret@host.invalid"}, false, true, []string{"user:xxxxx@host.invalid"}},
		{"too many requests", []string{status(t, 429).URL}, false, true, []string{"429"}},
		{"a bad gateway", []string{status(t, 502).URL}, false, true, []string{"502"}},
		{"guix publish that prepares it", []string{baking}, false, true, []string{"preparing"}},
		{"a page for people", []string{page}, false, true, []string{"parse narinfo"}},
		{"half an answer", []string{half}, false, true, []string{"EOF"}},
		{"a refusal", []string{forbidden}, false, false, []string{"403"}},
		{"a refusal and an error", []string{forbidden, broken}, false, true, []string{"403", "500"}},
		{"no content", []string{status(t, 204).URL}, false, false, []string{"204"}},
		{"the narinfo of another item", []string{wrong}, false, false, []string{"that of " + string(greeting)}},
		{"too long an answer", []string{large}, false, false, []string{"more than there can be"}},
		{"too long an announced answer", []string{announced}, false, false, []string{"more than there can be"}},
		{"redirections in a circle", []string{loop}, false, false, []string{"redirection"}},
		{"another protocol", []string{"ftp://host"}, false, false, []string{"starts with http"}},
		{"a file", []string{"file:///var"}, false, false, []string{"starts with http"}},
		{"not a URL", []string{"http://us er:secret@x\n"}, false, false, []string{"cannot be parsed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var client Client
			_, _, err := client.Narinfo(t.Context(), test.urls, hello)
			if err == nil {
				t.Fatal("no error")
			}
			if e := (*NotFoundError)(nil); errors.As(err, &e) != test.notFound {
				t.Errorf("not found: %v", !test.notFound)
			}
			if errors.Is(err, ErrUnavailable) != test.unavailable {
				t.Errorf("unavailable: %v", !test.unavailable)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error", want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the password is in the error")
			}
			if t.Failed() {
				t.Logf("error: %v", err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	unsigned := newServer(t, hello, "Derive()", []string{"zstd"}, nil)
	signed := newServer(t, hello, "Derive()", []string{"zstd"}, func(i *narinfo.Info) { i.Signature = "1;x;y" })
	refused := errors.New("it is not signed")
	client := Client{Check: func(info *narinfo.Info) error {
		if info.Signed() == nil {
			return refused
		}
		return nil
	}}
	_, base, err := client.Narinfo(t.Context(), []string{unsigned.URL, signed.URL}, hello)
	if err != nil || base != signed.URL {
		t.Errorf("got %s, %v", base, err)
	}
	_, _, err = client.Narinfo(t.Context(), []string{unsigned.URL}, hello)
	if !errors.Is(err, refused) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestPathsOfAnotherStore(t *testing.T) {
	s := newServer(t, hello, "Derive()", []string{"zstd"}, nil)
	for _, p := range []string{"/nix/store/" + hello.Base(), "", "x", "/gnu/store/x.drv", "/gnu/store/" + hello.Base() + "/../y"} {
		var client Client
		if _, _, err := client.Narinfo(t.Context(), []string{s.URL}, storepath.Path(p)); err == nil {
			t.Errorf("fetched %q", p)
		}
	}
	client := Client{Store: "/var/store"}
	p := storepath.Path("/var/store/" + hello.Base())
	s = newServer(t, p, "Derive()", []string{"zstd"}, nil)
	if _, _, err := client.Narinfo(t.Context(), []string{s.URL}, p); err != nil {
		t.Error(err)
	}
}

// hangs is a server that answers nothing until the test ends.
func hangs(t *testing.T) *httptest.Server {
	end := make(chan struct{})
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-end:
		}
	})
	t.Cleanup(func() { close(end) }) // runs before the server's Close
	return s
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	client := Client{Stall: 20 * time.Millisecond}
	_, _, err := client.Narinfo(t.Context(), []string{hangs(t).URL}, hello)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not deliver within 20ms") {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	why := errors.New("the agent stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := make(chan struct{})
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	go func() {
		<-asked
		cancel(why)
	}()
	var client Client
	_, _, err := client.Narinfo(ctx, []string{s.URL, s.URL}, hello)
	if !errors.Is(err, why) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
