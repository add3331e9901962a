package report

import (
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/account"
)

// maxEntries is how many entries a feed has.
const maxEntries = 100

type feed struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	Title   string   `xml:"title"`
	ID      string   `xml:"id"`
	Updated string   `xml:"updated"`
	Author  string   `xml:"author>name"`
	Links   []link   `xml:"link"`
	Entries []entry  `xml:"entry"`
}

type link struct {
	Rel  string `xml:"rel,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type entry struct {
	Title   string `xml:"title"`
	ID      string `xml:"id"`
	Updated string `xml:"updated"`
	Links   []link `xml:"link"`
	Summary string `xml:"summary"`
	number  int
}

// Atom writes a feed of what is broken, each since the evaluation that broke it,
// and of what was fixed since the one that the account is compared with, the
// newest first. base is the URL that pages are below, such as
// https://farm.example.org, or empty.
func Atom(w io.Writer, a *account.Account, base string) error {
	self := base + "/report/" + a.Collection
	f := feed{Title: a.Collection + ": broken and fixed packages", ID: "urn:tbfg:report:" + a.Collection, Author: "tbfg",
		Updated: a.At(a.Evaluation).Time.UTC().Format(time.RFC3339), Links: []link{{"self", self + "/feed.atom"}, {"", self}}}
	for i := range a.Packages {
		p := &a.Packages[i]
		what := "fixed"
		switch {
		case p.State.Bad() && p.LastGood > 0:
			what = "broken"
		case p.Change != account.Fixed:
			continue
		}
		e := a.At(p.Since)
		one := entry{Title: fmt.Sprintf("%s (%s) %s", p.Package, place(p), what), Updated: e.Time.UTC().Format(time.RFC3339), number: e.Number,
			ID: fmt.Sprintf("urn:tbfg:report:%s:%s:%s:%d:%s", a.Collection, p.Package, place(p), e.Number, what), Links: []link{{"", self}},
			Summary: fmt.Sprintf("%s at revision %s. %s", words[p.State], e.Revision, why(a, p))}
		if p.Build != "" {
			one.Links = []link{{"", base + "/build/" + p.Build + "/log"}}
		}
		f.Entries = append(f.Entries, one)
	}
	slices.SortStableFunc(f.Entries, func(x, y entry) int { return y.number - x.number })
	f.Entries = f.Entries[:min(len(f.Entries), maxEntries)]
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	return enc.Encode(f)
}

// Badge writes an image for a project's README.
func Badge(w io.Writer, a *account.Account) error {
	right, colour := "not evaluated", "#57606a"
	if a.Evaluation != 0 {
		right = fmt.Sprintf("%d of %d build", a.Counts[account.Builds], a.Counts.Total())
		switch {
		case a.Counts[account.Fails]+a.Counts[account.Blocked]+a.Counts[account.NotEvaluated] > 0:
			colour = "#a40e26"
		case a.Counts[account.Waiting] == 0:
			colour = "#116329"
		}
	}
	// Text of 11 pixels is some 6.6 wide a character in the widest of these fonts.
	width := func(s string) float64 { return 7*float64(len([]rune(s))) + 14 }
	l, r := width(a.Collection), width(right)
	name := html.EscapeString(a.Collection)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]g" height="20" role="img" aria-label="%[4]s: %[5]s">`+
		`<title>%[4]s: %[5]s</title><rect width="%[2]g" height="20" fill="#444c56"/><rect x="%[2]g" width="%[3]g" height="20" fill="%[6]s"/>`+
		`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="7" y="14" textLength="%[7]g">%[4]s</text>`+
		`<text x="%[8]g" y="14" textLength="%[9]g">%[5]s</text></g></svg>`+"\n", l+r, l, r, name, right, colour, l-14, l+7, r-14)
	return err
}
