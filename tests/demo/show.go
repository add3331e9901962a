package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"

	"golang.org/x/term"
)

// A screen is where people read: 80 columns of plain text, with a little
// colour if it is a terminal.
type screen struct {
	w      io.Writer
	colour bool
}

func newScreen(f *os.File) *screen {
	return &screen{f, term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""}
}

// columns is how long a line may be where that is up to us.
const columns = 79

// Numbers of ECMA-48's "select graphic rendition".
const (
	bold   = 1
	red    = 31
	green  = 32
	yellow = 33
)

func (s *screen) paint(style int, text string) string {
	if !s.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[m", style, text)
}

func (s *screen) say(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(s.w, line)
	}
}

func (s *screen) heading(text string) {
	s.say("", s.paint(bold, "== "+text+" =="))
}

func (s *screen) field(name, value string) { s.say(fmt.Sprintf("  %-9s %s", name, value)) }

// prompt shows a command as one types it, in two lines if one is too short.
func (s *screen) prompt(words []string) {
	line := "$ " + strings.Join(words, " ")
	if last := len(words) - 1; len(line) > columns {
		line = "$ " + strings.Join(words[:last], " ") + " \\\n    " + words[last]
	}
	s.say(s.paint(bold, line))
}

// table shows what became of each package, then how many came to what, then
// the failures, those first that block most.
func (s *screen) table(packages []pkg, results map[string]result) {
	s.say(fmt.Sprintf("%-20s%-9s%s", "PACKAGE", "STATE", "WHY"))
	counts := make(map[daemon.State]int)
	for _, p := range packages {
		r := results[p.name]
		counts[r.state]++
		word, style, why := string(r.state), bold, ""
		switch r.state {
		case daemon.Succeeded:
			word, style = "built", green
		case daemon.Failed:
			style, why = red, brief(r.reason)
		case daemon.Blocked:
			style, why = yellow, "by "+strings.Join(r.by, ", ")
		}
		word = fmt.Sprintf("%-9s", word)
		for i, line := range fold(why, columns-20-9) {
			if i == 0 {
				line = fmt.Sprintf("%-20s%s%s", p.name, s.paint(style, word), line)
			} else {
				line = strings.Repeat(" ", 20+9) + line
			}
			s.say(strings.TrimRight(line, " "))
		}
	}
	s.say("", fmt.Sprintf("%d built, %d failed, %d blocked, of %d.",
		counts[daemon.Succeeded], counts[daemon.Failed], counts[daemon.Blocked], len(packages)),
		"", fmt.Sprintf("%-20s%-9s%s", "FAILED", "BLOCKS", "BUILD"))
	blocks := blocking(results)
	for _, name := range failures(packages, results) {
		s.say(fmt.Sprintf("%-20s%-9d%s", name, blocks[name], results[name].uuid))
	}
}

// blocking counts the packages that each failed one blocks.
func blocking(results map[string]result) map[string]int {
	blocks := make(map[string]int)
	for _, r := range results {
		for _, name := range r.by {
			blocks[name]++
		}
	}
	return blocks
}

// failures are the packages that failed, those first that block most.
func failures(packages []pkg, results map[string]result) (names []string) {
	for _, p := range packages {
		if results[p.name].state == daemon.Failed {
			names = append(names, p.name)
		}
	}
	blocks := blocking(results)
	slices.SortStableFunc(names, func(a, b string) int { return blocks[b] - blocks[a] })
	return names
}

var storeHash = regexp.MustCompile(`/gnu/store/[0-9a-z]{32}-`)

// brief is the daemon's reason for a failure, without hashes and without what
// the row of the table says anyway.
func brief(reason string) string {
	reason = storeHash.ReplaceAllString(strings.TrimSpace(reason), "")
	for line := range strings.SplitSeq(reason, "\n") {
		if strings.Contains(line, "hash mismatch") {
			return line // the hashes after it fill a line each
		}
	}
	reason = reason[strings.LastIndexByte(reason, '\n')+1:] // warnings come before
	if _, how, found := strings.Cut(reason, ".drv' failed "); found {
		return how
	}
	return reason
}

// fold breaks a text at blanks into lines of n characters, if it can.
func fold(text string, n int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= n:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// showLog shows the log of the failure that blocks most. There must be one.
func (f *farm) showLog(ctx context.Context, out *screen, results map[string]result) error {
	name := failures(team, results)[0]
	out.heading("The log of " + name)
	return f.tbfg(ctx, out, "build", "log", results[name].uuid)
}

// showAddresses says where there is more to see, and how long.
func (f *farm) showAddresses(out *screen, results map[string]result, keep bool) {
	out.heading("To look at")
	if keep {
		out.say("The farm runs until you press Ctrl-C. For a browser or curl:", "")
	} else {
		out.say("The farm stops now. With \"make demo KEEP=1\" it runs on, for a browser or curl:", "")
	}
	out.field("builds", "http://"+f.clients+"/builds")
	out.field("agents", "http://"+f.clients+"/agents")
	out.field("report", "http://"+f.logs+"/report/"+collection)
	if !keep {
		out.field("logs", f.logURL("UUID"))
	} else {
		for _, name := range failures(team, results) {
			out.field("log", f.logURL(results[name].uuid))
		}
		out.say("", "For commands, such as \"tbfg build summary\" and \"tbfg agent list\", type this first:", "")
		for _, line := range f.environment() {
			out.say("  " + line)
		}
	}
	if f.note != "" {
		out.say("", f.note)
	}
}

// environment is what a shell must know for tbfg to find the farm.
func (f *farm) environment() []string {
	lines := []string{"alias tbfg=" + f.program}
	if f.clients != usual.clients {
		lines = append(lines, "export TBFG_COORDINATOR=http://"+f.clients)
	}
	if f.logs != usual.logs {
		lines = append(lines, "export TBFG_FRONT=http://"+f.logs)
	}
	return lines
}
