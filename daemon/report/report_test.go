//go:debug default=go1.25
package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/patience/patiencetest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

func drv(n int, name string) storepath.Path {
	return storepath.Path(fmt.Sprintf("/gnu/store/%032d-%s.drv", n, name))
}

func build(n int) string { return fmt.Sprintf("7bdd2249-1214-431a-aa61-%012d", n) }

// example is an account with everything that one can have.
func example() *account.Account {
	noon := time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)
	return &account.Account{Collection: "science", Updated: noon, Evaluation: 3, Since: 2, Percent: 40, Broken: 2, Fixed: 1,
		Counts: account.Counts{account.Builds: 2, account.Fails: 1, account.Blocked: 1, account.NotEvaluated: 1, account.Waiting: 1},
		Packages: []account.Package{
			{Package: "4ti2", System: "x86_64-linux", State: account.Builds, Since: 1, LastGood: 3, Derivation: drv(1, "4ti2-1.6"), Build: build(1)},
			{Package: "octave", System: "x86_64-linux", State: account.Builds, Change: account.Fixed, Since: 3, LastGood: 3, Derivation: drv(2, "octave-9"), Build: build(2)},
			{Package: "openblas", System: "x86_64-linux", State: account.Fails, Change: account.Broken, Since: 3, FirstBad: 3, LastGood: 2, Derivation: drv(3, "openblas-0.3.29"), Build: build(3)},
			{Package: "python-<numpy>", System: "x86_64-linux", Target: "aarch64-linux-gnu", State: account.Blocked, Change: account.Broken, Since: 3, FirstBad: 3, LastGood: 1,
				Derivation: drv(4, "python-numpy-1.26"), BlockedBy: []int{0}},
			{Package: "scotch", System: "x86_64-linux", State: account.NotEvaluated, Since: 1, FirstBad: 1, Error: "unbound variable: mpi\nhint: use it"},
			{Package: "giac", System: "x86_64-linux", State: account.Waiting, Since: 3, LastGood: 2, Derivation: drv(5, "giac-1"), Build: build(5)},
		},
		Failures: []account.Failure{{Name: "openblas-0.3.29", Derivation: drv(3, "openblas-0.3.29"), Build: build(3), Time: noon, Blocks: 1, LogEnd: "ld: error\n<exit> 1"}},
		Evaluations: []account.Evaluation{
			{Number: 1, Revision: "7c2f37388796167c3eae38f90ccbe833be876b80", Time: noon.Add(-48 * time.Hour), Counts: account.Counts{account.Builds: 4, account.Fails: 1}},
			{Number: 2, Revision: "8c2f37388796167c3eae38f90ccbe833be876b80", Time: noon.Add(-24 * time.Hour), Counts: account.Counts{account.Builds: 5}},
			{Number: 3, Revision: "9c2f37388796167c3eae38f90ccbe833be876b80", Time: noon, Counts: account.Counts{account.Builds: 2, account.Fails: 4}},
		}}
}

// troubled is one whose last update failed, and which was never evaluated.
func troubled() *account.Account {
	return &account.Account{Collection: "new", Trouble: "the data service at https://data.guix.gnu.org does not answer\n<try> later", Packages: []account.Package{}}
}

func golden(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, got.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
	return got.String()
}

func TestGoldens(t *testing.T) {
	a := example()
	some, err := Choose(a, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"report.txt":   func(w io.Writer) error { return Text(w, a, some) },
		"troubled.txt": func(w io.Writer) error { return Text(w, troubled(), nil) },
		"account.csv":  func(w io.Writer) error { return CSV(w, a, a.Packages) },
		"feed.atom":    func(w io.Writer) error { return Atom(w, a, "https://farm.example.org") },
		"badge.svg":    func(w io.Writer) error { return Badge(w, a) },
		"account.json": func(w io.Writer) error { return writeJSON(w, a) },
	} {
		golden(t, name, write)
	}
}

func TestTheTableFits80Columns(t *testing.T) {
	a := example()
	a.Packages[2].Package = strings.Repeat("long", 20)
	a.Failures[0].Name = strings.Repeat("long", 20)
	a.Packages[4].Error = strings.Repeat("wörd ", 40)
	for range 200 {
		a.Evaluations = append([]account.Evaluation{{}}, a.Evaluations...)
	}
	var text bytes.Buffer
	if err := Text(&text, a, a.Packages); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 79 {
			t.Errorf("got %d columns in %q", n, line)
		}
	}
}

func TestChoose(t *testing.T) {
	for only, want := range map[string]string{
		"": "octave openblas python-<numpy> scotch giac", "failing": "openblas", "blocked": "python-<numpy>", "broken": "openblas python-<numpy>",
		"fixed": "octave", "not-evaluated": "scotch", "waiting": "giac", "builds": "4ti2 octave",
		"all": "4ti2 octave openblas python-<numpy> scotch giac",
	} {
		list, err := Choose(example(), only)
		var names []string
		for _, p := range list {
			names = append(names, p.Package)
		}
		if got := strings.Join(names, " "); got != want || err != nil {
			t.Errorf("%q: got %s, %v, want %s", only, got, err, want)
		}
		if only != "" && !slices.Contains(Selections, only) {
			t.Errorf("%s is not said to be a selection", only)
		}
	}
	if _, err := Choose(example(), "green"); err == nil {
		t.Error("got no error of green")
	}
}

// What a page must have so that everyone can read it; a browser's checks are
// elsewhere.
func TestPages(t *testing.T) {
	for name, a := range map[string]*account.Account{"page.html": example(), "troubled.html": troubled()} {
		text := golden(t, name, func(w io.Writer) error {
			return HTML(w, a, Links{Own: a.Collection + "/", Builds: "/build/", Index: "./"})
		})
		for _, want := range []string{`<html lang="en">`, `<meta name="viewport"`, "<h1>" + a.Collection + "</h1>", "<main>", "<title>" + a.Collection} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: there is no %s", name, want)
			}
		}
		for _, bad := range []string{"<numpy>", "<exit>", "<try>", " style=", " onclick=", "http://", "ZgotmplZ"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: there is a %s", name, bad)
			}
		}
		wellFormed(t, name, text)
	}
}

// wellFormed checks that every element ends where it must, and that every id is
// there once and what labels name is there.
func wellFormed(t *testing.T, name, text string) {
	t.Helper()
	text = regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>`).ReplaceAllString(text, "")
	text = strings.Replace(text, "<!DOCTYPE html>", "", 1)
	text = regexp.MustCompile(`<(meta|link|input)([^>]*)>`).ReplaceAllString(text, "<$1$2/>")
	text = regexp.MustCompile(` (hidden)([ >])`).ReplaceAllString(text, ` $1=""$2`)
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	d.Entity = xml.HTMLEntity
	ids, named := make(map[string]bool), make(map[string]bool)
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, attr := range e.Attr {
				switch attr.Name.Local {
				case "id":
					if ids[attr.Value] {
						t.Errorf("%s: the id %s is there twice", name, attr.Value)
					}
					ids[attr.Value] = true
				case "for", "aria-labelledby":
					for id := range strings.FieldsSeq(attr.Value) {
						named[id] = true
					}
				}
			}
		}
	}
	for id := range named {
		if !ids[id] {
			t.Errorf("%s: there is no %s", name, id)
		}
	}
}

// Text must be readable in both schemes: WCAG asks for a contrast of 4.5.
func TestContrast(t *testing.T) {
	schemes := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(styleText, -1)
	if len(schemes) != 20 {
		t.Fatalf("got %d colours, want 10 for each scheme", len(schemes))
	}
	for i, scheme := range []string{"light", "dark"} {
		colours := make(map[string]string)
		for _, c := range schemes[10*i : 10*i+10] {
			colours[c[1]] = c[2]
		}
		for name, colour := range colours {
			if name == "back" || name == "line" {
				continue
			}
			if c := contrast(t, colour, colours["back"]); c < 4.5 {
				t.Errorf("%s: %s has the contrast %.1f", scheme, name, c)
			}
		}
	}
	for _, right := range []string{"#444c56", "#57606a", "#a40e26", "#116329"} {
		if c := contrast(t, "#ffffff", right); c < 4.5 {
			t.Errorf("badge: white on %s has the contrast %.1f", right, c)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	light := func(colour string) float64 {
		sum := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			c := float64(n) / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += weight * c
		}
		return sum
	}
	x, y := light(a), light(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

type source map[string]*account.Account

func (s source) Names(context.Context) ([]string, error) {
	return []string{"gone", "new", "science"}, nil
}
func (s source) Recent(_ context.Context, name string) (*account.Account, error) {
	if a := s[name]; a != nil {
		return a, nil
	}
	if name == "trouble" {
		return nil, errors.New("the disk is gone")
	}
	return nil, daemon.Errorf(daemon.NotFound, "there is no collection %q", name)
}

func TestWhatIsServed(t *testing.T) {
	h := Handler(source{"science": example(), "new": troubled()})
	get := func(path string, header ...string) *http.Response {
		r := httptest.NewRequest("GET", path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for path, want := range map[string]string{
		"/report/": "200 text/html; charset=utf-8", "/report/science": "200 text/html; charset=utf-8", "/report/new": "200 text/html; charset=utf-8",
		"/report/science/feed.atom": "200 application/atom+xml", "/report/science/badge.svg": "200 image/svg+xml",
		"/report/science/account.json": "200 application/json", "/report/science/account.csv": "200 text/csv; charset=utf-8",
		"/report/gone": "404 text/plain; charset=utf-8", "/report/science/": "404 text/plain; charset=utf-8",
		"/report/science/other": "404 text/plain; charset=utf-8", "/report//science": "404 text/plain; charset=utf-8",
		"/report/trouble": "500 text/plain; charset=utf-8",
	} {
		r := get(path)
		if got := fmt.Sprint(r.StatusCode, " ", r.Header.Get("Content-Type")); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	plain, zipped := get("/report/science"), get("/report/science", "Accept-Encoding", "gzip")
	text, err := io.ReadAll(plain.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := io.ReadAll(unzipped); err != nil || !bytes.Equal(text, same) {
		t.Errorf("got %d bytes and, unzipped, %d, %v", len(text), len(same), err)
	}
	for _, r := range []*http.Response{plain, zipped} {
		again := get("/report/science", "If-None-Match", r.Header.Get("Etag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("got %s of what one has", again.Status)
		}
	}
	if !strings.Contains(plain.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got the policy %q", plain.Header.Get("Content-Security-Policy"))
	}
	index, err := io.ReadAll(get("/report/").Body)
	if err != nil || !strings.Contains(string(index), `<a href="science">science</a>`) || strings.Contains(string(index), "gone") {
		t.Errorf("got the index %s, %v", index, err)
	}
	wellFormed(t, "index", string(index))
}

func TestWhatIsPublished(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "public")
	for range 2 { // over what is there
		if err := Static(dir, example(), ""); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("got %v, %v, want five files", entries, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil || strings.Contains(string(text), "/build/") || !strings.Contains(string(text), `href="feed.atom"`) {
		t.Errorf("got %d bytes, %v, want a page without links to builds", len(text), err)
	}
}

func TestTheTableForOtherProgramsIsReadBack(t *testing.T) {
	var text bytes.Buffer
	a := example()
	if err := CSV(&text, a, a.Packages); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(rows) != 1+len(a.Packages) || rows[5][12] != a.Packages[4].Error {
		t.Errorf("got %q, %v", rows, err)
	}
}

func TestReadersMayNotSleep(t *testing.T) {
	h := Handler(source{"science": example()})
	for _, path := range []string{"/report/", "/report/science", "/report/science/account.csv", "/report/gone", "/report//"} {
		w := patiencetest.NewAnswer()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Deadline.IsZero() {
			t.Errorf("%s: got %d, which has no time limit", path, w.Code)
		}
	}
}
