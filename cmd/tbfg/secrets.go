package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func secretsCommand() *cli.Command {
	return &cli.Command{
		Name:  "secrets",
		Usage: "list the farm's secrets, or make one anew",
		Description: `Each secret is a file in the directory "secrets" of the state directory,
which only root and the farm's user can read. "tbfg doctor" looks whether
that is so.`,
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the secrets' names, files and what they are for", Action: secretsList,
				Flags: []cli.Flag{coordinatorFlag(), jsonFlag()}},
			{Name: "rotate", Usage: "make a secret anew; the old one is useless from then on", ArgsUsage: "NAME", Action: secretsRotate,
				Description: `The farm goes on meanwhile, and its local agent finds its new password by
itself. A declared agent that has enrolled does not need its token any more.
Clients on other machines need the new client token at once; commands on this
machine find it. Machines that take the farm's outputs as substitutes need
the new public key authorized; what the old one signed stays good where that
is.`,
				Flags: []cli.Flag{coordinatorFlag()}},
		},
	}
}

func secretsList(c *cli.Context) error {
	if _, err := arguments(c, 0, 0); err != nil {
		return err
	}
	secrets, err := client(c).Secrets(c.Context)
	if err != nil {
		return fmt.Errorf("cannot list the secrets: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, secrets)
	}
	for _, s := range secrets {
		fmt.Fprintf(c.App.Writer, "%-22s  made %s  %s\n    %s\n", s.Name, stamp(s.Made), s.Purpose, s.File)
	}
	return nil
}

func secretsRotate(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	if err := client(c).Rotate(c.Context, args[0]); err != nil {
		return fmt.Errorf("cannot make the secret anew: %w", err)
	}
	return nil
}
