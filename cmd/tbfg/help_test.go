package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// names are what the program is called by.
var names = []string{"tbfg", "guix-build-coordinator", "guix-build-coordinator-agent"}

// walk calls f with every command and the words that lead to it.
func walk(commands []*cli.Command, words []string, f func(words []string, c *cli.Command)) {
	for _, c := range commands {
		below := append(words[:len(words):len(words)], c.Name)
		f(below, c)
		walk(c.Subcommands, below, f)
	}
}

// everyCommand walks through all that the program is.
func everyCommand(f func(words []string, commands []*cli.Command, flags []cli.Flag, usage string)) {
	for _, name := range names {
		app := newApp(name)
		f([]string{name}, app.Commands, app.Flags, app.Usage)
		walk(app.Commands, []string{name}, func(words []string, c *cli.Command) { f(words, c.Subcommands, c.Flags, c.Usage) })
	}
}

func TestEveryCommandHelps(t *testing.T) {
	seen := 0
	everyCommand(func(words []string, commands []*cli.Command, flags []cli.Flag, usage string) {
		seen++
		line := strings.Join(words, " ")
		help, err := inProcess(t, append(words, "--help")...)
		if err != nil {
			t.Errorf("%s --help: got the error %v", line, err)
		}
		for l := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > helpWidth && len(strings.Fields(l)) > 1 {
				t.Errorf("%s --help: got %d columns in %q, want at most %d", line, n, l, helpWidth)
			}
		}
		for _, bad := range []string{"(default: 0)", "(default: false)", "(default: \"", "command options", " \n"} {
			if strings.Contains(help, bad) {
				t.Errorf("%s --help: got %s, want no %q in it", line, help, bad)
			}
		}
		help = strings.Join(strings.Fields(help), " ") // lines may be broken anywhere
		if usage == "" || !strings.Contains(help, words[len(words)-1]+" - "+usage) {
			t.Errorf("%s --help: got %s, want what it is for: %q", line, help, usage)
		}
		for _, c := range commands {
			if !c.Hidden && (!strings.Contains(help, " "+c.Name+" "+c.Usage)) {
				t.Errorf("%s --help: got %s, want the command %s in it", line, help, c.Name)
			}
		}
		for _, f := range flags {
			if !strings.Contains(help, "--"+f.Names()[0]) {
				t.Errorf("%s --help: got %s, want the option --%s in it", line, help, f.Names()[0])
			}
			if doc, ok := f.(cli.DocGenerationFlag); !ok || doc.GetUsage() == "" {
				t.Errorf("%s: the option --%s says nothing of itself", line, f.Names()[0])
			}
		}
	})
	if seen < 35 {
		t.Errorf("got %d commands, want all", seen)
	}
}

// A shell that asks for words must get some, and nothing else may happen.
func TestEveryCommandIsCompleted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("completion asks the coordinator: %s %s", r.Method, r.URL)
	}))
	defer server.Close()
	t.Setenv("TBFG_COORDINATOR", server.URL)
	everyCommand(func(words []string, commands []*cli.Command, flags []cli.Flag, _ string) {
		line := strings.Join(words, " ")
		got, err := inProcess(t, append(words, completion)...)
		if err != nil {
			t.Errorf("%s: got the error %v", line, err)
		}
		for _, c := range commands {
			if !c.Hidden && !strings.Contains("\n"+got, "\n"+c.Name+"\n") {
				t.Errorf("%s: got %q, want the command %s among them", line, got, c.Name)
			}
		}
		got, err = inProcess(t, append(words, "-", completion)...)
		if err != nil {
			t.Errorf("%s -: got the error %v", line, err)
		}
		for _, f := range flags {
			if len(words) > 1 && !strings.Contains("\n"+got, "\n--"+f.Names()[0]+"\n") {
				t.Errorf("%s -: got %q, want the option --%s among them", line, got, f.Names()[0])
			}
		}
	})
}

// Mistakes are answered on standard error only, in one line, with status 2.
func TestEveryCommandRefusesWhatItDoesNotKnow(t *testing.T) {
	everyCommand(func(words []string, commands []*cli.Command, _ []cli.Flag, _ string) {
		line := strings.Join(words, " ")
		tries := [][]string{append(words, "--nonsense")}
		if len(commands) > 0 && words[len(words)-1] != "build" && words[len(words)-1] != "password" {
			tries = append(tries, append(words[:len(words):len(words)], "nonsense", "nonsense"))
		}
		for _, args := range tries {
			out, err := inProcess(t, args...)
			if status := report(io.Discard, "test", err); status != 2 || out != "" {
				t.Errorf("%s: got the status %d, the error %v and the output %q; want 2 and no output", strings.Join(args, " "), status, err, out)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got the error %v, want one line", line, err)
			}
		}
	})
}

func TestTheManualIsPrinted(t *testing.T) {
	for _, tt := range []struct{ what, want string }{
		{"man", ".TH tbfg 1"},
		{"man", "\n.SH \"EXIT STATUS\"\n"},
		{"man", "\n.SH FILES\n"},
		{"man", "\n.SH ENVIRONMENT\n"},
		{"man", "\n.SH EXAMPLES\n"},
		{"man", "What an earlier version of a branch left in the queue goes with\n.PP\n.RS 3\n.nf\ntbfg build cancel \\-\\-tag=branch=wip"},
		{"man", "\n.SS \"guix\\-build\\-coordinator\\-agent [options]\"\n"},
		{"man", "\n.SS \"tbfg agent password new [options] UUID\"\n"},
		{"bash", "complete "},
		{"zsh", "#compdef tbfg"},
	} {
		out, err := inProcess(t, "tbfg", "manual", tt.what)
		if err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("manual %s: got %.300q, %v; want %q in it", tt.what, out, err, tt.want)
		}
	}
}
