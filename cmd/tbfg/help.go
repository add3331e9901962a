package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

const (
	helpWidth  = 80 // columns that a help text has at most
	helpIndent = 3
	helpLabel  = 24 // columns of a label with its meaning beside it
)

// topic is what help and man page say of a command.
type topic struct {
	name, usage, usageText, args, description string
	commands                                  []*cli.Command
	flags                                     []cli.Flag
}

func appTopic(a *cli.App) topic {
	return topic{a.Name, a.Usage, a.UsageText, a.ArgsUsage, a.Description, a.Commands, a.VisibleFlags()}
}

func commandTopic(name string, c *cli.Command) topic {
	return topic{name, c.Usage, c.UsageText, c.ArgsUsage, c.Description, c.Subcommands, c.VisibleFlags()}
}

// printHelp takes the place of the library's templates, whose lines are too
// long.
func printHelp(w io.Writer, _ string, data any) {
	switch data := data.(type) {
	case *cli.App:
		appTopic(data).print(w)
	case *cli.Command:
		commandTopic(data.HelpName, data).print(w)
	}
}

func (t topic) print(w io.Writer) {
	fmt.Fprintln(w, "NAME:")
	wrap(w, helpIndent, helpIndent, t.name+" - "+t.usage)
	fmt.Fprintln(w, "\nUSAGE:")
	for _, line := range t.synopsis() {
		wrap(w, helpIndent, helpIndent+3, line)
	}
	if t.description != "" {
		fmt.Fprintln(w, "\nDESCRIPTION:")
		for line := range strings.SplitSeq(t.description, "\n") { // it is wrapped already
			fmt.Fprintln(w, strings.TrimRight(strings.Repeat(" ", helpIndent)+line, " "))
		}
	}
	if commands := t.visibleCommands(); len(commands) > 0 {
		fmt.Fprintln(w, "\nCOMMANDS:")
		var entries [][2]string
		for _, c := range commands {
			entries = append(entries, [2]string{c.Name, c.Usage})
		}
		table(w, entries)
	}
	fmt.Fprintln(w, "\nOPTIONS:")
	var entries [][2]string
	for _, f := range t.flags {
		label, text := describeFlag(f)
		entries = append(entries, [2]string{label, text})
	}
	table(w, entries)
}

// synopsis is how a command is called, a line for each way.
func (t topic) synopsis() (lines []string) {
	if t.usageText != "" { // written for the program's own name
		program, _, _ := strings.Cut(t.name, " ")
		return []string{strings.Replace(t.usageText, "tbfg", program, 1)}
	}
	some := len(t.commands) > 0
	own := slices.ContainsFunc(t.flags, func(f cli.Flag) bool { return f != cli.HelpFlag && f != cli.VersionFlag })
	if own || !some {
		lines = append(lines, strings.TrimSpace(t.name+" [options] "+t.args))
	}
	if some {
		lines = append(lines, t.name+" COMMAND")
	}
	return lines
}

func (t topic) visibleCommands() []*cli.Command {
	return slices.DeleteFunc(slices.Clone(t.commands), func(c *cli.Command) bool { return c.Hidden })
}

// describeFlag returns how an option is written and what it means.
func describeFlag(f cli.Flag) (label, text string) {
	var names []string
	for _, name := range f.Names() {
		if len(name) > 1 {
			name = "-" + name
		}
		names = append(names, "-"+name)
	}
	label = strings.Join(names, ", ")
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return label, ""
	}
	text = doc.GetUsage()
	placeholder := "VALUE"
	if parts := strings.SplitN(text, "`", 3); len(parts) == 3 {
		placeholder, text = parts[1], strings.Join(parts, "")
	}
	if doc.TakesValue() {
		label += " " + placeholder
	}
	var defaults []string
	for _, env := range doc.GetEnvVars() {
		defaults = append(defaults, "$"+env)
	}
	switch value := strings.Trim(doc.GetDefaultText(), `"`); value {
	case "", "0", "0s", "false": // the library says so of everything
	default:
		defaults = append(defaults, value)
	}
	if len(defaults) > 0 {
		text += " (default: " + strings.Join(defaults, " or ") + ")"
	}
	return label, text
}

// table prints labels and, beside them or below long ones, what they mean.
func table(w io.Writer, entries [][2]string) {
	longest := 0
	for _, e := range entries {
		if n := utf8.RuneCountInString(e[0]); n <= helpLabel {
			longest = max(longest, n)
		}
	}
	column := helpIndent + longest + 2
	for _, e := range entries {
		if utf8.RuneCountInString(e[0]) > longest {
			fmt.Fprintf(w, "%*s%s\n", helpIndent, "", e[0])
			wrap(w, column, column, e[1])
		} else {
			fmt.Fprintf(w, "%*s%-*s  ", helpIndent, "", longest, e[0])
			wrap(w, 0, column, e[1])
		}
	}
}

// wrap prints a text in lines that begin in column indent. The first one gets
// its own number of blanks, for what stands before it.
func wrap(w io.Writer, first, indent int, text string) {
	line, room := strings.Repeat(" ", first), helpWidth-max(first, indent)
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if n+1 > room && strings.TrimSpace(line) != "" {
			fmt.Fprintln(w, line)
			line, room = strings.Repeat(" ", indent), helpWidth-indent
		}
		if strings.TrimSpace(line) != "" {
			line += " "
			room--
		}
		line += word
		room -= n
	}
	if strings.TrimSpace(line) != "" {
		fmt.Fprintln(w, line)
	}
}
