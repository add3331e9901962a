// Command tbfg is a tiny build farm for GNU Guix: coordinator, build agent,
// log endpoint and the commands for them in one program.
//
// Called guix-build-coordinator or guix-build-coordinator-agent, it behaves as
// those do.
//
// The next line is for GOPATH mode, which is how Guix builds Go programs: there
// the defaults of an old Go would apply, and net/http would not understand our
// routes.
//
//go:debug default=go1.25
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/tbfg/tbfg/shepherd"

	"github.com/urfave/cli/v2"
)

// version is set with -ldflags -X by the Makefile and the Guix package.
var version = "0.1.0"

func main() {
	ctx, stop := shepherd.UntilStopped(context.Background())
	err := newApp(filepath.Base(os.Args[0])).RunContext(ctx, reorder(os.Args))
	stop()
	os.Exit(report(os.Stderr, filepath.Base(os.Args[0]), err))
}

// newApp is the command line that belongs to the name that the program was
// called by.
func newApp(name string) *cli.App {
	cli.HelpPrinter = printHelp
	app := &cli.App{
		Name:                      "tbfg",
		Usage:                     "a tiny build farm for GNU Guix",
		Version:                   version,
		EnableBashCompletion:      true,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // values may have commas
		Description: `A coordinator hands out builds, agents have their guix-daemon build them, and
a log endpoint shows the logs. "tbfg serve --local-agent" is a whole farm.`,
		Commands: []*cli.Command{serveCommand(), agentCommand(), buildCommand(), collectionCommand(), reportCommand(), tokenCommand(),
			hooksCommand(), statusCommand(), doctorCommand(), reloadCommand(), secretsCommand(),
			backupCommand(), importCommand(), configCommand(), manualCommand()},
		ExitErrHandler: func(*cli.Context, error) {}, // main reports
		OnUsageError:   usageError,
	}
	switch name {
	case "guix-build-coordinator":
		compatibleCoordinator(app)
	case "guix-build-coordinator-agent":
		compatibleAgent(app)
	}
	for _, c := range app.Commands {
		prepare(c)
	}
	if app.Action == nil {
		app.Action = needsCommand
	}
	return app
}

// errUsage marks errors in how the program was called.
var errUsage = errors.New("usage")

// usageError says what is wrong with the options of a command.
func usageError(c *cli.Context, err error, _ bool) error {
	name := c.App.Name
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	text := err.Error()
	if option, unknown := strings.CutPrefix(text, "flag provided but not defined: -"); unknown {
		text = "there is no option --" + strings.TrimPrefix(option, "-")
	}
	return usagef("%s: see %s --help", text, name)
}

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// prepare gives a command, and those below it, what all of them have.
func prepare(c *cli.Command) {
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	if c.Action == nil {
		c.Action = needsCommand
	}
	if coordinatorServer.askedBy(c) {
		c.Flags = append(c.Flags, tokenFlag())
	}
	for _, s := range []server{coordinatorServer, frontServer} {
		if s.askedBy(c) {
			c.Action = s.asking(c.Action)
		}
	}
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
}

// needsCommand is the action of what does nothing without a further command.
func needsCommand(c *cli.Context) error {
	if c.Args().Present() {
		name := c.App.Name
		if len(c.Lineage()) > 2 { // else this is the program itself
			name = c.Command.HelpName
		}
		return usagef("there is no command %q: see %s --help", c.Args().First(), name)
	}
	return cli.ShowSubcommandHelp(c)
}

// report prints an error and returns the exit status: 2 for a wrong call, 1
// for everything else that went wrong.
func report(w io.Writer, name string, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errQuiet) {
		return 1
	}
	text, status := err.Error(), 1
	switch {
	case errors.Is(err, errUsage):
		text, status = strings.TrimPrefix(text, errUsage.Error()+": "), 2
	case errors.Is(err, context.Canceled):
		text = "interrupted"
	}
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(w, "%s: %s\n", name, line)
	}
	return status
}

// errQuiet is for commands that have said already what is wrong.
var errQuiet = errors.New("")

// arguments returns the positional arguments, of which there must be from
// least to most; most -1 stands for any number.
func arguments(c *cli.Context, least, most int) ([]string, error) {
	for _, above := range c.Lineage()[1:] {
		if above.App != nil && above.NumFlags() > 0 { // they would have no effect
			return nil, usagef("write options after the command that they are for: see %s --help", c.Command.HelpName)
		}
	}
	args := c.Args().Slice()
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") && len(arg) > 1 {
			return nil, usagef("write the option %s before the arguments: see %s --help", arg, c.Command.HelpName)
		}
	}
	if most == 0 && len(args) > 0 {
		return nil, usagef("unexpected argument %q: see %s --help", args[0], c.Command.HelpName)
	}
	if len(args) < least || most >= 0 && len(args) > most {
		return nil, usagef("wrong number of arguments: %s", strings.TrimSpace(c.Command.HelpName+" "+c.Command.ArgsUsage))
	}
	return args, nil
}
