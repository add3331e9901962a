package front

import (
	"mime"
	"net/http"
	"regexp"
	"testing"
	"time"
)

// wellFormed are the headers that an answer may have, with what Guile's (web
// http), which raises an error on a malformed one, takes for well-formed.
var wellFormed = map[string]func(string) bool{
	"Accept-Ranges":          matches(`[a-z]+(, [a-z]+)*`),
	"Allow":                  matches(`[A-Z]+(, [A-Z]+)*`),
	"Connection":             matches(`close`),
	"Content-Encoding":       matches(`[a-z-]+`),
	"Content-Length":         matches(`[0-9]+`),
	"Content-Range":          matches(`bytes ([0-9]+-[0-9]+|\*)/[0-9]+`),
	"Content-Type":           func(s string) bool { _, _, err := mime.ParseMediaType(s); return err == nil },
	"Date":                   isTime,
	"Etag":                   matches(`(W/)?"[^"]*"`),
	"Last-Modified":          isTime,
	"Transfer-Encoding":      matches(`chunked`),
	"Vary":                   matches(`[A-Za-z-]+(, [A-Za-z-]+)*`),
	"X-Content-Type-Options": matches(`nosniff`),
}

func matches(pattern string) func(string) bool {
	return regexp.MustCompile("^(" + pattern + ")$").MatchString
}

// isTime tells whether s is a date of RFC 1123, in GMT.
func isTime(s string) bool {
	t, err := time.Parse(http.TimeFormat, s)
	return err == nil && t.Format(http.TimeFormat) == s
}

func checkStrict(t *testing.T, header http.Header) {
	t.Helper()
	for name, values := range header {
		ok := wellFormed[name]
		if ok == nil {
			t.Errorf("got the header %s: %q, which this test does not know", name, values)
			continue
		}
		if len(values) != 1 || !ok(values[0]) {
			t.Errorf("got the malformed header %s: %q", name, values)
		}
	}
	if header.Get("Date") == "" {
		t.Errorf("got no Date")
	}
}
