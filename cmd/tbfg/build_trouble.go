package main

import (
	"fmt"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func buildBlockingCommand() *cli.Command {
	return &cli.Command{
		Name:  "blocking",
		Usage: "say which failures block most builds",
		Description: `Each line is a failed build and how many unfinished ones it keeps from being
built. Mend the first: after "build retry" what waits for it goes on.`,
		Action: buildBlocking,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.StringSliceFlag{Name: "system", Usage: "count only blocked builds for `SYSTEM`, or for one of several; may be repeated"},
			&cli.IntFlag{Name: "threshold", Usage: "only failures that block at least `NUMBER` builds", Value: 1},
			&cli.IntFlag{Name: "limit", Usage: "at most `NUMBER` failures, up to 1000", Value: 20}},
	}
}

func buildBlocking(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	list, err := client(c).Blocking(c.Context, c.StringSlice("system"), c.Int("threshold"), c.Int("limit"))
	if err != nil {
		return fmt.Errorf("cannot ask what blocks builds: %w", err)
	}
	w := c.App.Writer
	if c.Bool("json") {
		return printJSON(w, list)
	}
	if len(list.Builds) == 0 {
		fmt.Fprintln(w, "no failure blocks builds")
		return nil
	}
	fmt.Fprintf(w, "%-33s  %7s  %s\n", "FAILED", "BLOCKS", "BUILD")
	for _, b := range list.Builds {
		fmt.Fprintf(w, "%-33s  %7d  %s\n", clip(packageName(b.Derivation), 33), b.Blocks, b.UUID)
	}
	if len(list.Builds) < list.All {
		fmt.Fprintf(w, "and %d more: see --limit\n", list.All-len(list.Builds))
	}
	return nil
}

func buildSetupFailuresCommand() *cli.Command {
	return &cli.Command{
		Name:   "setup-failures",
		Usage:  "list what agents could not begin to build, newest first",
		Action: buildSetupFailures,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.IntFlag{Name: "limit", Usage: "at most `NUMBER` of them, 0 for all", Value: 20}},
	}
}

func buildSetupFailures(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	if c.Int("limit") < 0 {
		return usagef("--limit must not be negative")
	}
	w, list := c.App.Writer, []wire.ListedSetupFailure{}
	err := client(c).SetupFailures(c.Context, c.Int("limit"), func(f wire.ListedSetupFailure) error {
		if c.Bool("json") {
			list = append(list, f)
			return nil
		}
		fmt.Fprintf(w, "%s  %s  %s\n", stamp(f.Time), f.Build, packageName(f.Derivation))
		fmt.Fprintf(w, "    agent %s: %s\n", f.Agent, f.Reason)
		for _, input := range f.MissingInputs {
			fmt.Fprintf(w, "    missing %s\n", input)
		}
		if more := f.Missing - len(f.MissingInputs); more > 0 {
			fmt.Fprintf(w, "    and %d more, see \"tbfg build show\"\n", more)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot list the setup failures: %w", err)
	}
	if c.Bool("json") {
		return printJSON(w, list)
	}
	return nil
}
