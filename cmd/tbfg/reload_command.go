package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name:  "reload",
		Usage: "make the farm read its configuration again",
		Description: `A farm that runs sees a change of its configuration by itself; this says what
came of it. A file that is wrong changes nothing. What a running farm cannot
take over is named; "tbfg status" names it too.`,
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0); err != nil {
				return err
			}
			status, err := client(c).Reload(c.Context)
			if err != nil {
				return fmt.Errorf("cannot reload: %w", err)
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, status)
			}
			file := status.File
			if file == "" {
				file = "there is no file; the defaults are in effect"
			}
			fmt.Fprintf(c.App.Writer, "configuration: %s\n", file)
			if len(status.Changed) > 0 {
				fmt.Fprintf(c.App.Writer, "now in effect: %s\n", strings.Join(status.Changed, ", "))
			}
			if len(status.NeedsRestart) > 0 {
				fmt.Fprintf(c.App.Writer, "needs a restart: %s\n", strings.Join(status.NeedsRestart, ", "))
			}
			return nil
		},
	}
}
