package main

import (
	"errors"
	"fmt"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/urfave/cli/v2"
)

func buildCancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "cancel builds, by UUID or all that the options choose",
		ArgsUsage: "[UUID…]",
		Description: `Builds that have not ended are canceled; agents stop those that they have
begun. What an earlier version of a branch left in the queue goes with

   tbfg build cancel --tag=branch=wip --unstarted`,
		Flags: append([]cli.Flag{coordinatorFlag(),
			&cli.BoolFlag{Name: "unstarted", Usage: "leave builds alone that an agent holds"},
			&cli.BoolFlag{Name: "unless-required", Usage: "leave builds alone that others wait for"},
			&cli.BoolFlag{Name: "all", Usage: "cancel all builds, where no other option chooses"}}, filterFlags()...),
		Action: buildCancel,
	}
}

func buildCancel(c *cli.Context) error {
	uuids, err := arguments(c, 0, -1)
	if err != nil {
		return err
	}
	which, err := filterOf(c)
	if err != nil {
		return err
	}
	chosen := c.Bool("all")
	for _, flag := range filterFlags() {
		chosen = chosen || c.IsSet(flag.Names()[0])
	}
	switch {
	case len(uuids) == 0 && !chosen:
		return usagef("say which builds: by their UUIDs, by options that choose some, or --all")
	case len(uuids) > 0 && (chosen || c.Bool("unstarted")):
		return usagef("choose builds either by their UUIDs or by options")
	case len(uuids) > 0:
		return cancelEach(c, uuids)
	}
	which.UnstartedOnly, which.UnlessRequired, which.All = c.Bool("unstarted"), c.Bool("unless-required"), c.Bool("all")
	n, err := client(c).CancelBuilds(c.Context, which)
	if err != nil {
		return fmt.Errorf("cannot cancel the builds: %w", err)
	}
	fmt.Fprintf(c.App.Writer, "%d builds canceled\n", n)
	return nil
}

// outcomes says in words what became of a wish to cancel a build.
var outcomes = map[string]string{
	daemon.BuildWasCanceled:        "canceled",
	daemon.BuildWasCanceledAlready: "was canceled before",
	daemon.BuildAlreadyProcessed:   "not canceled: it has ended",
	daemon.BuildRequiredByAnother:  "not canceled: another build waits for it",
}

// cancelEach cancels builds one by one; one that there is not does not keep it
// from the others.
func cancelEach(c *cli.Context, uuids []string) error {
	client := client(c)
	var errs []error
	for _, uuid := range uuids {
		outcome, err := client.Cancel(c.Context, uuid, c.Bool("unless-required"))
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot cancel the build: %w", err))
			continue
		}
		if words, known := outcomes[outcome]; known {
			outcome = words
		}
		fmt.Fprintf(c.App.Writer, "%s %s\n", uuid, outcome)
	}
	return errors.Join(errs...)
}

func buildPriorityCommand() *cli.Command {
	return &cli.Command{
		Name:      "update-priority",
		Usage:     "change the priority of a build",
		ArgsUsage: "UUID NUMBER",
		Description: `Higher ones are built first. What the build waits for has at least its
priority. For a negative number write -- before the arguments.`,
		Flags: []cli.Flag{coordinatorFlag()},
		Action: func(c *cli.Context) error {
			args := c.Args().Slice() // a number may begin with a minus sign
			if len(args) != 2 {
				return usagef("wrong number of arguments: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
			}
			priority, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return usagef("a priority is a whole number, not %q", args[1])
			}
			if err := client(c).SetPriority(c.Context, args[0], priority); err != nil {
				return fmt.Errorf("cannot change the priority: %w", err)
			}
			return nil
		},
	}
}

func buildRetryCommand() *cli.Command {
	return &cli.Command{
		Name:      "retry",
		Usage:     "submit a build again that failed or was canceled",
		ArgsUsage: "UUID",
		Description: `It prints the new build's UUID. What waits for its outputs waits for the new
build from then on. For a build that failures block, these are submitted
again.`,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
			&cli.BoolFlag{Name: "with-blocked", Usage: "submit canceled builds again, too, that need its outputs"}},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1)
			if err != nil {
				return err
			}
			uuids, err := client(c).Retry(c.Context, args[0], c.Bool("with-blocked"))
			if err != nil {
				return fmt.Errorf("cannot retry the build: %w", err)
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, uuids)
			}
			if len(uuids) == 0 {
				fmt.Fprintln(c.App.Writer, "no build submitted: all that is needed has an unfinished build")
			}
			for _, uuid := range uuids {
				fmt.Fprintf(c.App.Writer, "build submitted as %s\n", uuid)
			}
			return nil
		},
	}
}
