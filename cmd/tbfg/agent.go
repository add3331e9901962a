package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func agentCommand() *cli.Command {
	return &cli.Command{
		Name:  "agent",
		Usage: "add and change agents, or run one",
		Description: `Make an agent known to the coordinator, give it a password, run it:

   tbfg agent new --name=bedok
   tbfg agent UUID password new
   tbfg agent run --uuid=UUID --password-file=FILE

"tbfg agent UUID VERB" and "tbfg agent VERB UUID" are the same.`,
		Subcommands: append([]*cli.Command{
			agentRunCommand(),
			agentStatusCommand(),
			{
				Name:   "new",
				Usage:  "add an agent and print its UUID",
				Action: agentNew,
				Flags: []cli.Flag{coordinatorFlag(),
					&cli.StringFlag{Name: "name", Usage: "`NAME` that people call it by"},
					&cli.StringFlag{Name: "description", Usage: "`TEXT`, what there is to say of it"}},
			},
			{Name: "list", Usage: "list the agents", Action: agentList, Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}},
			{Name: "show", Usage: "show one agent", ArgsUsage: "UUID", Action: agentShow,
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}},
			{
				Name:      "set",
				Usage:     "change an agent; what is not named stays",
				ArgsUsage: "UUID",
				Action:    agentSet,
				Flags: []cli.Flag{coordinatorFlag(),
					&cli.StringFlag{Name: "name", Usage: "`NAME` that people call it by"},
					&cli.StringFlag{Name: "description", Usage: "`TEXT`, what there is to say of it"},
					&cli.BoolFlag{Name: "active", Usage: "whether it gets builds (--active=false to stop that)"},
					&cli.StringSliceFlag{Name: "tag", Usage: "`KEY=VALUE` in the place of its tags; may be repeated"}},
			},
			{
				Name:      "password",
				Usage:     "say when an agent's passwords were made",
				ArgsUsage: "UUID",
				Action:    agentPassword,
				Flags:     []cli.Flag{coordinatorFlag()},
				Subcommands: []*cli.Command{{Name: "new", Usage: "make a further password and print it", ArgsUsage: "UUID",
					Action: agentPasswordNew, Flags: []cli.Flag{coordinatorFlag()}}},
			},
		}, agentModeCommands()...),
	}
}

func agentNew(c *cli.Context) error {
	args, err := arguments(c, 0, -1)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return usagef("unexpected argument %q: a name is given with --name=%[1]s", args[0])
	}
	id, err := client(c).NewAgent(c.Context, c.String("name"), c.String("description"))
	if err != nil {
		return fmt.Errorf("cannot add an agent: %w", err)
	}
	fmt.Fprintln(c.App.Writer, id)
	return nil
}

func agentList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	agents, err := client(c).Agents(c.Context)
	if err != nil {
		return fmt.Errorf("cannot list the agents: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, agents)
	}
	for _, a := range agents {
		printAgent(c.App.Writer, a)
	}
	return nil
}

func agentShow(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	a, err := client(c).Agent(c.Context, args[0])
	if err != nil {
		return fmt.Errorf("cannot show the agent: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, a)
	}
	printAgent(c.App.Writer, a)
	return nil
}

// printAgent prints an agent to the letter as upstream does, whose
// description and "active?" share a line: scripts may read this.
func printAgent(w io.Writer, a wire.Agent) {
	fmt.Fprintf(w, "%s: %s\n  description:\n  %s  active?: %t\n", a.ID, a.Name, a.Description, a.Active)
	fmt.Fprintf(w, "  %d allocated builds:\n", len(a.Allocated))
	for _, b := range a.Allocated {
		fmt.Fprintf(w, "   - %s %s\n", b.UUID, b.Derivation)
	}
	fmt.Fprintf(w, "  requested systems:\n")
	for _, s := range a.Systems {
		fmt.Fprintf(w, "   - %s\n", s)
	}
	fmt.Fprintf(w, "  tags:\n")
	for _, t := range a.Tags {
		fmt.Fprintf(w, "   - %s: %s\n", t.Key, t.Value)
	}
}

func agentSet(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	var change wire.AgentChange
	for flag, field := range map[string]**string{"name": &change.Name, "description": &change.Description} {
		if c.IsSet(flag) {
			value := c.String(flag)
			*field = &value
		}
	}
	if c.IsSet("active") {
		active := c.Bool("active")
		change.Active = &active
	}
	if c.IsSet("tag") {
		tags, err := parseTags(c.StringSlice("tag"))
		if err != nil {
			return err
		}
		change.Tags = &tags
	}
	if change == (wire.AgentChange{}) {
		return usagef("there is nothing to change: see %s --help", c.Command.HelpName)
	}
	if err := client(c).ChangeAgent(c.Context, args[0], change); err != nil {
		return fmt.Errorf("cannot change the agent: %w", err)
	}
	return nil
}

func parseTags(texts []string) ([]wire.Tag, error) {
	tags := []wire.Tag{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("a tag is written KEY=VALUE, not %q", text)
		}
		tags = append(tags, wire.Tag{Key: key, Value: value})
	}
	return tags, nil
}

func agentPassword(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	dates, err := client(c).PasswordDates(c.Context, args[0])
	if err != nil {
		return fmt.Errorf("cannot list the agent's passwords: %w", err)
	}
	for _, date := range dates {
		fmt.Fprintf(c.App.Writer, "password made at %s\n", date.Format(time.DateTime))
	}
	fmt.Fprintf(c.App.Writer, "Passwords are stored hashed and cannot be shown; \"agent %s password new\" makes another.\n", args[0])
	return nil
}

func agentPasswordNew(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	password, err := client(c).NewPassword(c.Context, args[0])
	if err != nil {
		return fmt.Errorf("cannot make a password: %w", err)
	}
	fmt.Fprintf(c.App.Writer, "new password: %s\n", password)
	return nil
}
