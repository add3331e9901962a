package history

import (
	"io"
	"regexp"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// names are the names in a pattern.
var names = regexp.MustCompile(`\{[a-z]+\}`)

// badNames are hostile parts of paths: what stands for a UUID, a format or a
// number.
var badNames = []string{"x", "0", "-1", strings.Repeat("a", 5000), "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "a%0d%0ab:%20c",
	strings.ToUpper(nobody), "{" + nobody + "}", nobody + "%20", "urn:uuid:" + nobody, nobody[:35], "'%20OR%201=1--", nobody}

// badBodies are hostile bodies, by name.
func badBodies() map[string]func() io.Reader {
	text := func(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }
	endless := func() io.Reader { return io.LimitReader(repeater("a"), 200<<20) }
	deep := wire.MaxBody - 100
	return map[string]func() io.Reader{
		"no JSON":             text("hello"),
		"half a JSON":         text(`{"derivation": "`),
		"two JSONs":           text(`{}{}`),
		"a list":              text(`[]`),
		"a number":            text(`17`),
		"null":                text(`null`),
		"no UTF-8":            text("{\"\xff\": }"),
		"a zero byte":         text("{\x00}"),
		"too large":           func() io.Reader { return io.MultiReader(strings.NewReader(`{"derivation": "`), endless()) },
		"too large, no JSON":  endless,
		"deep lists":          text(`{"tags": ` + strings.Repeat("[", deep)),
		"deep objects":        text(strings.Repeat(`{"a":`, deep/5)),
		"many small lists":    text(`{"systems": [` + strings.Repeat("[],", deep/3) + `[]]`),
		"wrong types":         text(`{"derivation": {"a": 1}, "systems": "x", "status": 3, "failure_reason": [], "result": {}, "name": 4, "new_priority": "x", "mode": 7, "active": "no", "tags": 5, "unstarted_only": 3, "with_blocked": "perhaps", "description": [], "ignore_if_build_required_by_another": 9}`),
		"a number too large":  text(`{"new_priority": 1e400, "target_count": 99999999999999999999, "expires_in": 1e999, "priority": 1e300, "status": 1e999, "result": 1e999, "failure_reason": 1e999, "mode": 1, "active": 1e9, "name": 1e999, "uuid": 1, "description": 1e999, "with_blocked": 1e999, "unstarted_only": 1e999, "ignore_if_build_required_by_another": 1e999}`),
		"a key of 8 MB":       text(`{"` + strings.Repeat("k", deep-10) + `": 1, "x": }`),
		"a bad escape":        text(`{"derivation": "\ud800\x"}`),
		"comments":            text("{/* */}"),
		"a broken number":     text(`{"priority": 01}`),
		"something following": text(`{} x`),
	}
}

// repeater is an endless stream.
type repeater string

func (r repeater) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r[0]
	}
	return len(p), nil
}
