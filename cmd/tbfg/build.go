package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/urfave/cli/v2"
)

func buildCommand() *cli.Command {
	return &cli.Command{
		Name:      "build",
		Usage:     "submit builds, and see what became of them",
		ArgsUsage: "DERIVATION… (or - to read them from standard input)",
		Description: `Submit a build and print its UUID:

   tbfg build $(guix build hello --derivations)

The coordinator needs the derivation and those it refers to: it finds them in
the store of its machine or at a substitute server that offers derivations.`,
		Action: buildSubmit,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.StringFlag{Name: "derivation-substitute-urls", Usage: "substitute servers for derivations, `URLS` separated by blanks"},
			&cli.Int64Flag{Name: "priority", Usage: "`NUMBER`, 0 if none is given; higher ones are built first"},
			&cli.StringSliceFlag{Name: "tag", Usage: "`KEY=VALUE` to put on the build; may be repeated"},
			&cli.StringFlag{Name: "defer-until", Usage: "do not start before `TIME`, in UTC, such as \"2026-01-31 20:00:00\""},
			&cli.BoolFlag{Name: "ignore-if-build-for-derivation-exists", Usage: "submit nothing if the derivation has a build"},
			&cli.BoolFlag{Name: "ignore-if-build-for-outputs-exists", Usage: "submit nothing if one of its outputs has a build"},
			&cli.BoolFlag{Name: "ensure-all-related-derivation-outputs-have-builds", Aliases: []string{"with-inputs"},
				Usage: "submit builds of the inputs that have none, too"}},
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "show all there is to know of a build", ArgsUsage: "UUID", Action: buildShow,
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}},
			buildListCommand(),
			buildSummaryCommand(),
			buildBlockingCommand(),
			buildSetupFailuresCommand(),
			buildWaitCommand(),
			buildLogCommand(),
			buildCancelCommand(),
			buildPriorityCommand(),
			buildRetryCommand(),
		},
	}
}

func buildSubmit(c *cli.Context) error {
	args, err := arguments(c, 1, -1)
	if err != nil {
		return err
	}
	submission, err := submissionOf(c)
	if err != nil {
		return err
	}
	if len(args) == 1 && args[0] == "-" {
		if args, err = readLines(os.Stdin); err != nil {
			return fmt.Errorf("read derivations: %w", err)
		}
		if len(args) == 0 {
			return errors.New("no derivations on standard input")
		}
	} else if i := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "/") }); i >= 0 {
		return usagef("%q is neither a subcommand nor a derivation (/gnu/store/….drv): guix build --derivations NAME prints them", args[i])
	}
	// All are checked before the first is submitted.
	paths := make([]storepath.Path, len(args))
	for i, arg := range args {
		if paths[i], err = storepath.Parse(arg); err != nil {
			return fmt.Errorf("no build submitted: %w", err)
		}
		if !paths[i].IsDerivation() {
			return fmt.Errorf("no build submitted: %s is not a derivation: its name does not end in .drv", arg)
		}
	}
	return submitAll(c, submission, paths)
}

func printSubmitted(c *cli.Context, path storepath.Path, reply wire.SubmissionReply) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, reply)
	}
	if reply.NotSubmitted != "" {
		fmt.Fprintf(c.App.Writer, "no build submitted for %s: %s\n", path, reply.NotSubmitted)
		return nil
	}
	if reply.Inputs > 0 {
		fmt.Fprintf(c.App.Writer, "%d builds submitted for its inputs\n", reply.Inputs)
	}
	fmt.Fprintf(c.App.Writer, "build submitted as %s\n", reply.Submitted)
	return nil
}

// submissionOf reads the options, which hold for every derivation.
func submissionOf(c *cli.Context) (daemon.Submission, error) {
	s := daemon.Submission{
		SubstituteURLs:           splitURLs(c.String("derivation-substitute-urls")),
		Priority:                 c.Int64("priority"),
		SkipIfDerivationHasBuild: c.Bool("ignore-if-build-for-derivation-exists"),
		SkipIfOutputsHaveBuild:   c.Bool("ignore-if-build-for-outputs-exists"),
		WithInputs:               c.Bool("ensure-all-related-derivation-outputs-have-builds"),
	}
	tags, err := parseTags(c.StringSlice("tag"))
	if err != nil {
		return s, err
	}
	s.Tags = wire.TagsIn(tags)
	if until := c.String("defer-until"); until != "" {
		if s.NotBefore, err = wire.ParseTime(until); err != nil {
			return s, usagef("--defer-until: %v", err)
		}
	}
	return s, nil
}

// readLines reads words, one a line; blank lines and comments do not count.
func readLines(r io.Reader) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines, scanner.Err()
}
