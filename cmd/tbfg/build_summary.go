package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
)

func buildSummaryCommand() *cli.Command {
	return &cli.Command{
		Name:  "summary",
		Usage: "say how many builds are where, what failed and what that blocks",
		Flags: append([]cli.Flag{coordinatorFlag(), jsonFlag()}, filterFlags()...),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0); err != nil {
				return err
			}
			list, err := builds(c)
			if err != nil {
				return err
			}
			s := summarize(list)
			if c.Bool("json") {
				return printJSON(c.App.Writer, s)
			}
			s.print(c.App.Writer)
			return nil
		},
	}
}

// summary is an account of builds.
type summary struct {
	Counts  map[daemon.State]int `json:"counts"`
	Failed  []failure            `json:"failed"`  // the worst first
	Blocked []blocked            `json:"blocked"` // in the order of submission
}

// failure is a failed build with how many unfinished ones it blocks.
type failure struct {
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Blocks int    `json:"blocks"`
}

type blocked struct {
	UUID string   `json:"uuid"`
	Name string   `json:"name"`
	By   []string `json:"by"` // names of failed builds
}

func summarize(list []wire.Build) summary {
	s := summary{Counts: make(map[daemon.State]int), Failed: []failure{}, Blocked: []blocked{}}
	names := make(map[string]string, len(list))
	blocks := make(map[string]int)
	for _, b := range list {
		s.Counts[b.State]++
		names[b.UUID] = packageName(b.Derivation)
		for _, uuid := range b.BlockedBy {
			blocks[uuid]++
		}
	}
	for _, b := range list {
		switch b.State {
		case daemon.Failed:
			s.Failed = append(s.Failed, failure{b.UUID, names[b.UUID], blocks[b.UUID]})
		case daemon.Blocked:
			by := make([]string, len(b.BlockedBy))
			for i, uuid := range b.BlockedBy {
				if by[i] = names[uuid]; by[i] == "" {
					by[i] = uuid // not among those asked for
				}
			}
			s.Blocked = append(s.Blocked, blocked{b.UUID, names[b.UUID], by})
		}
	}
	slices.SortStableFunc(s.Failed, func(a, b failure) int { return b.Blocks - a.Blocks })
	return s
}

func (s summary) print(w io.Writer) {
	printCounts(w, s.Counts)
	if len(s.Failed) > 0 {
		fmt.Fprintf(w, "\n%-30s  %6s  %s\n", "FAILED", "BLOCKS", "BUILD")
		for _, f := range s.Failed {
			fmt.Fprintf(w, "%-30s  %6d  %s\n", clip(f.Name, 30), f.Blocks, f.UUID)
		}
	}
	if len(s.Blocked) > 0 {
		fmt.Fprintf(w, "\n%-30s  %s\n", "BLOCKED", "BY")
		for _, b := range s.Blocked {
			fmt.Fprintf(w, "%-30s  %s\n", clip(b.Name, 30), clip(strings.Join(b.By, ", "), 46))
		}
	}
}
