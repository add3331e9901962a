package main

import (
	"fmt"
	"io"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "say how the farm is",
		Flags: []cli.Flag{coordinatorFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0); err != nil {
				return err
			}
			s, err := client(c).Status(c.Context)
			if err != nil {
				return fmt.Errorf("cannot ask how the farm is: %w", err)
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, s)
			}
			printStatus(c.App.Writer, s)
			return nil
		},
	}
}

// printCounts prints how many builds are in which state.
func printCounts(w io.Writer, counts map[daemon.State]int) {
	for _, state := range daemon.States {
		if n := counts[state]; n > 0 {
			fmt.Fprintf(w, "%7d %s\n", n, state)
		}
	}
}

func printStatus(w io.Writer, s wire.FarmStatus) {
	if s.HandsOut {
		fmt.Fprintln(w, "builds are handed out")
	} else {
		fmt.Fprintf(w, "NO BUILDS ARE HANDED OUT: %s\n", s.Trouble)
	}
	if s.Config.Error != "" {
		fmt.Fprintf(w, "the new configuration is wrong, the old one stays in effect: %s\n", s.Config.Error)
	}
	if keys := s.Config.NeedsRestart; len(keys) > 0 {
		fmt.Fprintf(w, "restart the farm for what is new in the configuration: %s\n", strings.Join(keys, ", "))
	}
	if s.Parked > 0 {
		fmt.Fprintf(w, "%d events were given up because their hooks failed: see \"tbfg hooks list --parked\"\n", s.Parked)
	}
	printCounts(w, s.Builds)
	if len(s.Agents) == 0 {
		fmt.Fprintln(w, "there are no agents")
		return
	}
	fmt.Fprintf(w, "\n%-36s  %-16s  %-11s  %6s  %6s  %s\n", "AGENT", "NAME", "MODE", "BUILDS", "LOAD", "LAST REPORT")
	for _, a := range s.Agents {
		mode, load, report := string(a.Mode), "", "none"
		if !a.Active {
			mode = "not active"
		}
		if !a.StatusUpdate.IsZero() {
			load, report = fmt.Sprintf("%.2f", a.Load1Min), stamp(a.StatusUpdate)
		}
		fmt.Fprintf(w, "%-36s  %-16s  %-11s  %6d  %6s  %s\n", a.ID, clip(a.Name, 16), mode, a.Allocated, load, report)
	}
}
