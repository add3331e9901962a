package main

import (
	"bytes"
	"strings"

	"github.com/urfave/cli/v2"
)

// manPage is the man page of the program under all its names.
func manPage() []byte {
	var p page
	app := newApp("tbfg")
	p.macro("TH", "tbfg", "1", "", "tbfg "+version)
	p.macro("ad", "l")
	p.macro("nh") // options are no words
	p.macro("SH", "NAME")
	p.text("tbfg, guix-build-coordinator, guix-build-coordinator-agent - " + app.Usage)
	p.macro("SH", "SYNOPSIS")
	for _, c := range appTopic(app).visibleCommands() {
		for _, line := range commandTopic("tbfg "+c.Name, c).synopsis() {
			p.text(line)
			p.macro("br")
		}
	}
	p.macro("SH", "DESCRIPTION")
	p.text(app.Description)
	p.macro("PP")
	p.text("Every command has the option --help. Options are written before arguments.")
	p.macro("SH", "COMMANDS")
	p.commands("tbfg", app.Commands)
	p.macro("SH", "COMPATIBLE NAMES")
	p.text("Called by the names of the Guix Build Coordinator's programs, tbfg behaves as they do.")
	for _, name := range []string{"guix-build-coordinator", "guix-build-coordinator-agent"} {
		t := appTopic(newApp(name))
		var below []string
		for _, c := range t.visibleCommands() {
			below = append(below, c.Name)
		}
		if len(below) > 0 {
			t.description += " Its commands are: " + strings.Join(below, ", ") + "."
		}
		p.topic(t)
	}
	for _, s := range manSections {
		p.macro("SH", s.title)
		for _, e := range s.entries {
			p.entry(e[0], e[1])
		}
	}
	p.macro("SH", "EXAMPLES")
	p.text(manExamples)
	return p.Bytes()
}

// page is a man page that is being written.
type page struct{ bytes.Buffer }

// commands describes commands and what is below them.
func (p *page) commands(above string, commands []*cli.Command) {
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		name := above + " " + c.Name
		p.topic(commandTopic(name, c))
		p.commands(name, c.Subcommands)
	}
}

func (p *page) topic(t topic) {
	p.macro("SS", strings.Join(t.synopsis(), ", "))
	p.text(strings.ToUpper(t.usage[:1]) + t.usage[1:] + ".")
	if t.description != "" {
		p.macro("PP")
		p.text(t.description)
	}
	for _, f := range t.flags {
		if f == cli.HelpFlag || f == cli.VersionFlag {
			continue
		}
		label, text := describeFlag(f)
		p.entry(label, text)
	}
}

// entry is a labelled paragraph.
func (p *page) entry(label, text string) {
	p.macro("TP")
	p.WriteString("\\fB" + escape(label) + "\\fR\n")
	p.text(text)
}

func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		if arg = strings.ReplaceAll(escape(arg), `"`, `\(dq`); arg == "" || strings.Contains(arg, " ") {
			arg = `"` + arg + `"`
		}
		p.WriteString(" " + arg)
	}
	p.WriteByte('\n')
}

// text writes paragraphs; indented lines are examples, which stay as they are.
func (p *page) text(text string) {
	example := false
	for line := range strings.SplitSeq(text, "\n") {
		indented := strings.HasPrefix(line, "   ")
		switch {
		case indented && !example:
			p.WriteString(".RS 3\n.nf\n")
		case !indented && example:
			p.WriteString(".fi\n.RE\n")
		}
		if example = indented; line == "" {
			p.macro("PP")
			continue
		}
		p.WriteString(escape(strings.TrimSpace(line)) + "\n")
	}
	if example {
		p.WriteString(".fi\n.RE\n")
	}
}

var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...")

// escape protects what troff would understand as something else.
func escape(text string) string {
	text = roff.Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
