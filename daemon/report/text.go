package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"codeberg.org/tbfg/tbfg/daemon/account"
)

// Text writes an account for a terminal of 80 columns.
func Text(w io.Writer, a *account.Account, packages []account.Package) error {
	t := &text{w: w}
	t.head(a)
	if a.Evaluation != 0 {
		t.failures(a)
		t.packages(a, sorted(packages))
	}
	return t.err
}

// text remembers the first error.
type text struct {
	w   io.Writer
	err error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (t *text) head(a *account.Account) {
	if a.Evaluation == 0 {
		t.line("%s has not been evaluated yet.", a.Collection)
	} else {
		e := a.At(a.Evaluation)
		t.line("%s: %d of %d build (%.1f %%)", a.Collection, a.Counts[account.Builds], a.Counts.Total(), a.Percent)
		t.line("evaluation %d of %s, revision %s", e.Number, stamp(e.Time), short(e.Revision))
	}
	switch {
	case a.Trouble != "":
		if t.line("\nThe last update failed:"); !a.Updated.IsZero() {
			t.line("this is as of %s", stamp(a.Updated))
		}
		for line := range strings.SplitSeq(a.Trouble, "\n") {
			t.line("  %s", line)
		}
	case a.Updating:
		t.line("An update is running.")
	}
	if a.Evaluation == 0 {
		return
	}
	t.line("")
	for _, s := range account.States {
		if n := a.Counts[s]; n > 0 {
			t.line("%7d %s", n, words[s])
		}
	}
	if a.Since > 0 {
		t.line("%7d broken and %d fixed since %s", a.Broken, a.Fixed, short(a.At(a.Since).Revision))
	}
	if line := sparkText(a.Evaluations, 60); line != "" {
		t.line("history %s", line)
	}
}

func (t *text) failures(a *account.Account) {
	if len(a.Failures) == 0 {
		return
	}
	t.line("\n%-33s  %6s  %s", "FAILURE", "BLOCKS", "BUILD")
	for _, f := range a.Failures {
		t.line("%-33s  %6d  %s", clip(f.Name, 33), f.Blocks, f.Build)
	}
}

func (t *text) packages(a *account.Account, packages []account.Package) {
	if len(packages) == 0 {
		return
	}
	systems := make(map[string]bool)
	for _, p := range a.Packages {
		systems[p.System+p.Target] = true
	}
	t.line("\n%-26s  %-7s  %-10s  %s", "PACKAGE", "STATE", "SINCE", "WHY")
	for _, p := range packages {
		name := p.Package
		if len(systems) > 1 {
			name += " " + place(&p)
		}
		reason := why(a, &p)
		if p.Change != "" {
			reason = strings.TrimSuffix(string(p.Change)+", "+reason, ", ")
		}
		word := words[p.State]
		if p.State == account.NotEvaluated {
			word = "error"
		}
		t.line("%-26s  %-7s  %-10s  %s", clip(name, 26), word, a.At(p.Since).Time.UTC().Format(time.DateOnly), clip(reason, 30))
	}
}

// place is for what a package is built.
func place(p *account.Package) string {
	if p.Target != "" {
		return p.Target
	}
	return p.System
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateTime) + " UTC"
}

// clip shortens a text to n characters, and pads it so that columns align.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// sparkText draws what share built at the last evaluations.
func sparkText(evaluations []account.Evaluation, most int) string {
	if len(evaluations) < 2 {
		return ""
	}
	var b strings.Builder
	for _, e := range evaluations[max(0, len(evaluations)-most):] {
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, int(e.Counts.Percent()*8/100))])
	}
	return b.String()
}

// CSV writes packages as a table for other programs.
func CSV(w io.Writer, a *account.Account, packages []account.Package) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"package", "system", "target", "state", "change", "since_revision", "since_date", "last_good_revision",
		"first_failing_revision", "derivation", "build", "blocked_by", "error"}}
	for _, p := range packages {
		var by []string
		for _, f := range p.BlockedBy {
			by = append(by, a.Failures[f].Name)
		}
		since := a.At(p.Since)
		rows = append(rows, []string{p.Package, p.System, p.Target, string(p.State), string(p.Change), since.Revision,
			since.Time.UTC().Format(time.DateTime), a.At(p.LastGood).Revision, a.At(p.FirstBad).Revision, string(p.Derivation),
			p.Build, strings.Join(by, " "), p.Error})
	}
	return c.WriteAll(rows)
}
