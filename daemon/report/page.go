package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/account"
)

//go:embed page.css
var styleText string

//go:embed page.js
var scriptText string

//go:embed page.html
var pageText string

//go:embed index.html
var indexText string

// Policy is the Content-Security-Policy of the pages: they load nothing, and run
// only the script that is in them.
var Policy = "default-src 'none'; style-src '" + hash(styleText) + "'; script-src '" + hash(scriptText) + "'; img-src 'self'; base-uri 'none'; form-action 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

var pages = template.Must(template.Must(template.New("page").Funcs(template.FuncMap{
	"stamp": stamp, "short": short, "percent": percent,
	"time":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"style":  func() template.HTML { return template.HTML("<style>" + styleText + "</style>") },
	"script": func() template.HTML { return template.HTML("<script>" + scriptText + "</script>") },
	"bar":    bar, "spark": spark,
	"policy": func() string { return Policy },
}).Parse(pageText)).New("index").Parse(indexText))

func percent(p float64) string { return strconv.FormatFloat(p, 'f', 1, 64) + "\u00a0%" }

// Links say where a page finds other things, as prefixes of URLs.
type Links struct {
	Own    string // what belongs to the report: feed.atom, badge.svg, account.json
	Builds string // UUID of a build follows; empty for no links to builds
	Index  string // the list of collections; empty for none
}

// page is what the template shows.
type page struct {
	*account.Account
	Links
	Latest, Compared account.Evaluation
	States           []stateCount
	Top              []topFailure
	More             int // failures that are not shown
	Rows             template.HTML
}

type stateCount struct {
	State account.State
	Word  string
	Count int
}

type topFailure struct {
	account.Failure
	Page, Log string
}

// maxFailures is how many failures a page shows with the ends of their logs.
const maxFailures = 50

// HTML writes an account as a page.
func HTML(w io.Writer, a *account.Account, links Links) error {
	p := page{Account: a, Links: links, Latest: a.At(a.Evaluation), Compared: a.At(a.Since), States: states(a.Counts)}
	for i, f := range a.Failures {
		if i == maxFailures {
			p.More = len(a.Failures) - i
			break
		}
		t := topFailure{Failure: f}
		if links.Builds != "" && f.Build != "" {
			t.Page, t.Log = links.Builds+f.Build, links.Builds+f.Build+"/log"
		}
		p.Top = append(p.Top, t)
	}
	p.Rows = rows(a, links)
	return pages.ExecuteTemplate(w, "page", p)
}

// states lists those that there are.
func states(c account.Counts) (list []stateCount) {
	for _, s := range account.States {
		if c[s] > 0 {
			list = append(list, stateCount{s, words[s], c[s]})
		}
	}
	return list
}

// rows are the rows of the table. With thousands of them a template would take
// most of the time that a page may take.
func rows(a *account.Account, links Links) template.HTML {
	var b bytes.Buffer
	b.Grow(400 * len(a.Packages))
	for _, p := range sorted(a.Packages) {
		since := a.At(p.Since)
		name := html.EscapeString(p.Package)
		if links.Builds != "" && p.Build != "" {
			name = `<a href="` + html.EscapeString(links.Builds+p.Build+"/log") + `">` + name + `</a>`
		}
		state := string(p.State)
		if p.Change != "" {
			state += " " + string(p.Change)
		}
		fmt.Fprintf(&b, `<tr data-s="%s"><th scope="row">%s</th><td>%s</td><td><span class="s %s">%s</span>`,
			state, name, html.EscapeString(place(&p)), p.State, words[p.State])
		if p.Change != "" {
			fmt.Fprintf(&b, ` <strong class="%[1]s">%[1]s</strong>`, p.Change)
		}
		fmt.Fprintf(&b, `</td><td data-v="%d"><time datetime="%s">%s</time> <code>%s</code></td><td>%s</td></tr>`+"\n", p.Since,
			since.Time.UTC().Format(time.RFC3339), since.Time.UTC().Format(time.DateOnly), html.EscapeString(short(since.Revision)),
			html.EscapeString(why(a, &p)))
	}
	return template.HTML(b.String())
}

// bar is the bar of states, which the list below it says in words.
func bar(c account.Counts) template.HTML {
	total := c.Total()
	if total == 0 {
		return ""
	}
	var b, text strings.Builder
	x := 0.0
	for _, s := range states(c) {
		width := 100 * float64(s.Count) / float64(total)
		fmt.Fprintf(&b, `<rect class="%s" x="%.3f" width="%.3f" height="4"/>`, s.State, x, width)
		fmt.Fprintf(&text, ", %d %s", s.Count, s.Word)
		x += width
	}
	return template.HTML(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="` +
		strings.TrimPrefix(text.String(), ", ") + `">` + b.String() + `</svg>`)
}

// maxSpark is how many evaluations a sparkline shows.
const maxSpark = 100

// spark draws what share of the packages built at each evaluation.
func spark(evaluations []account.Evaluation) template.HTML {
	if len(evaluations) < 2 {
		return ""
	}
	shown := evaluations[max(0, len(evaluations)-maxSpark):]
	var points []string
	for i, e := range shown {
		points = append(points, fmt.Sprintf("%.1f,%.1f", 2+float64(i)*196/float64(len(shown)-1), 38-e.Counts.Percent()*36/100))
	}
	first, last := shown[0], shown[len(shown)-1]
	return template.HTML(fmt.Sprintf(`<svg class="spark" viewBox="0 0 200 40" preserveAspectRatio="none" role="img" aria-label="from %s built at evaluation %d to %s at evaluation %d">`+
		`<polyline points="%s" fill="none" vector-effect="non-scaling-stroke"/></svg>`,
		percent(first.Counts.Percent()), first.Number, percent(last.Counts.Percent()), last.Number, strings.Join(points, " ")))
}

// Summary is a collection in the list of them.
type Summary struct {
	Name string
	*account.Account
}

// Index writes the list of collections.
func Index(w io.Writer, list []Summary) error { return pages.ExecuteTemplate(w, "index", list) }
