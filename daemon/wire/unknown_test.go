package wire

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Anybody can send unknown requests; they must not fill the disk.
func TestUnknownRequestsAreLoggedTenTimesAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := capture(t)
		h := all()
		ask := func(n int) {
			for range n {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, httptest.NewRequest("GET", "/unknown", nil)); w.Code != http.StatusNotFound {
					t.Fatalf("got the status %d, want 404", w.Code)
				}
			}
		}
		lines := func() (whole, summaries int) {
			return strings.Count(logged(), "unknown request\""), strings.Count(logged(), "more unknown requests")
		}
		want := func(when string, whole, summaries int) {
			t.Helper()
			if w, s := lines(); w != whole || s != summaries {
				t.Fatalf("%s: got %d and %d lines, want %d and %d", when, w, s, whole, summaries)
			}
		}
		ask(10)
		want("after ten", 10, 0)
		ask(32)
		want("after more", 10, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		want("after a minute", 10, 1)
		if !strings.Contains(logged(), "32 more unknown requests") {
			t.Fatalf("the log lacks the number: %s", logged())
		}
		ask(3)
		time.Sleep(time.Minute)
		synctest.Wait()
		want("after a minute with a few", 13, 1)
		time.Sleep(time.Hour)
		ask(1)
		want("after an hour", 14, 1)
		time.Sleep(time.Minute) // the last timer ends
	})
}

func TestTheLogOfAnUnknownRequestIsShort(t *testing.T) {
	logged := capture(t)
	r := httptest.NewRequest("GET", "/"+strings.Repeat("x", 50_000)+"?"+strings.Repeat("y", 50_000), nil)
	r.Header.Set("X-Long", strings.Repeat("ü", 50_000))
	w := httptest.NewRecorder()
	all().ServeHTTP(w, r)
	if n := len(logged()); n > 4000 {
		t.Errorf("got a line of %d bytes, want at most 4000", n)
	}
	if n := w.Body.Len(); n > 1000 {
		t.Errorf("got an answer of %d bytes, want at most 1000", n)
	}
}

func TestOneWhoAsksTooOftenIsToldWhenToAskAgain(t *testing.T) {
	w := httptest.NewRecorder()
	TooMany(w, 1500*time.Millisecond, "slowly")
	want := `{"error":"too many requests","message":"slowly"}`
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || w.Body.String() != want {
		t.Fatalf("got %d after %q: %s, want 429 after 2: %s", w.Code, w.Header().Get("Retry-After"), w.Body, want)
	}
}
