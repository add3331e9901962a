package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

// agentModeCommands say how an agent works.
func agentModeCommands() []*cli.Command {
	yes, no := true, false
	change := func(name, usage string, change wire.AgentChange, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: "UUID", Flags: append([]cli.Flag{coordinatorFlag()}, flags...),
			Action: func(c *cli.Context) error { return agentChange(c, change) }}
	}
	mode := func(m daemon.Mode) wire.AgentChange { return wire.AgentChange{Mode: &m} }
	return []*cli.Command{
		change("pause", "give an agent no more builds for now; it keeps those that it has", mode(daemon.Paused)),
		change("drain", "let an agent finish what it has and give it no more", mode(daemon.Draining),
			&cli.BoolFlag{Name: "wait", Usage: "return when it has no builds any more"}),
		change("resume", "give an agent builds again", mode(daemon.Working)),
		change("activate", "let an agent take part", wire.AgentChange{Active: &yes}),
		change("deactivate", "keep an agent from getting builds until it is activated", wire.AgentChange{Active: &no}),
		{Name: "tags", Usage: "change an agent's tags", Subcommands: []*cli.Command{{
			Name: "replace", Usage: "give an agent tags in the place of those that it has; none takes all away",
			UsageText: "tbfg agent UUID tags replace [KEY=VALUE…]",
			ArgsUsage: "[KEY=VALUE…] UUID", Flags: []cli.Flag{coordinatorFlag()}, Action: agentTagsReplace}}},
	}
}

func agentChange(c *cli.Context, change wire.AgentChange) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	if err := client(c).ChangeAgent(c.Context, args[0], change); err != nil {
		return fmt.Errorf("cannot change the agent: %w", err)
	}
	if c.Bool("wait") {
		return waitUntilEmpty(c, args[0])
	}
	return nil
}

// waitUntilEmpty waits until an agent holds no builds.
func waitUntilEmpty(c *cli.Context, id string) error {
	out, client := newProgress(os.Stderr), client(c)
	defer out.end()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		a, err := client.Agent(c.Context, id)
		if err != nil {
			return fmt.Errorf("cannot follow the agent: %w", err)
		}
		if len(a.Allocated) == 0 {
			return nil
		}
		if a.Mode != daemon.Draining {
			return fmt.Errorf("somebody stopped draining the agent: it is %s", a.Mode)
		}
		out.show(fmt.Sprintf("waiting for %d builds", len(a.Allocated)))
		select {
		case <-time.After(pause):
		case <-c.Context.Done():
			return context.Cause(c.Context)
		}
	}
}

// agentTagsReplace has the UUID as its last argument, see reorder.
func agentTagsReplace(c *cli.Context) error {
	args, err := arguments(c, 1, -1)
	if err != nil {
		return err
	}
	tags, err := parseTags(args[:len(args)-1])
	if err != nil {
		return err
	}
	if err := client(c).ChangeAgent(c.Context, args[len(args)-1], wire.AgentChange{Tags: &tags}); err != nil {
		return fmt.Errorf("cannot change the agent: %w", err)
	}
	return nil
}
