package main

import (
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func hooksCommand() *cli.Command {
	return &cli.Command{
		Name:  "hooks",
		Usage: "see what hooks have still to be told, and try again",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the events that hooks have still to be told, oldest first", Action: hooksList,
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag(),
					&cli.BoolFlag{Name: "parked", Usage: "only those given up because the hook failed too often"}}},
			{Name: "retry", Usage: "take up a parked event again, or all of them", ArgsUsage: "[NUMBER]", Action: hooksRetry,
				Flags: []cli.Flag{coordinatorFlag(), &cli.BoolFlag{Name: "all", Usage: "all that are parked"}}},
		},
	}
}

func hooksList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	events := []wire.HookEvent{}
	err := client(c).HookEvents(c.Context, c.Bool("parked"), func(e wire.HookEvent) error {
		if c.Bool("json") {
			events = append(events, e)
			return nil
		}
		state := "waits"
		if e.Parked {
			state = "parked"
		}
		fmt.Fprintf(c.App.Writer, "%d  %s  %-6s  %s  %s  %s\n", e.ID, stamp(e.Created), state, e.Hook, e.Event, e.Subject)
		if e.Error != "" {
			fmt.Fprintf(c.App.Writer, "    failed %d times: %s\n", e.Attempts, strings.ReplaceAll(strings.TrimSpace(e.Error), "\n", "\n    "))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot list the hooks' events: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, events)
	}
	return nil
}

func hooksRetry(c *cli.Context) error {
	args, err := arguments(c, 0, 1)
	if err != nil {
		return err
	}
	id := int64(0)
	if len(args) == 1 {
		if id, err = strconv.ParseInt(args[0], 10, 64); err != nil || id < 1 {
			return usagef("an event is named by its number in \"hooks list\", not by %q", args[0])
		}
	}
	if c.Bool("all") == (id != 0) {
		return usagef("say which event, by its number, or --all")
	}
	n, err := client(c).RetryHooks(c.Context, id)
	if err != nil {
		return fmt.Errorf("cannot retry: %w", err)
	}
	fmt.Fprintf(c.App.Writer, "%d events taken up again\n", n)
	return nil
}
