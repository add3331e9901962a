package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func buildWaitCommand() *cli.Command {
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until builds have ended, showing progress",
		ArgsUsage: "[UUID…]",
		Description: `Without a UUID it waits for all builds. A build that a failure blocks is not
waited for. The exit status is 1 unless all succeeded.`,
		Flags:  []cli.Flag{coordinatorFlag()},
		Action: buildWait,
	}
}

func buildWait(c *cli.Context) error {
	args, err := arguments(c, 0, -1)
	if err != nil {
		return err
	}
	out := newProgress(os.Stderr)
	defer out.end()
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		counts, err := countStates(c, args)
		if err != nil {
			return fmt.Errorf("cannot follow the builds: %w", err)
		}
		total, over := 0, 0
		for state, n := range counts {
			total += n
			if state.Finished() || state == daemon.Blocked {
				over += n
			}
		}
		out.show(describeProgress(counts, total, over))
		if over == total {
			if counts[daemon.Succeeded] < total {
				return errQuiet
			}
			return nil
		}
		select {
		case <-time.After(pause):
		case <-c.Context.Done():
			return context.Cause(c.Context)
		}
	}
}

// countStates counts the given builds by state, or all builds.
func countStates(c *cli.Context, uuids []string) (map[daemon.State]int, error) {
	counts := make(map[daemon.State]int)
	if len(uuids) == 0 {
		err := client(c).Builds(c.Context, url.Values{}, 0, func(b wire.Build) error {
			counts[b.State]++
			return nil
		})
		return counts, err
	}
	for _, uuid := range uuids {
		b, err := client(c).Build(c.Context, uuid)
		if err != nil {
			return nil, err
		}
		counts[b.State]++
	}
	return counts, nil
}

// What came of builds is said first: a narrow terminal cuts off the rest.
var byInterest = []daemon.State{daemon.Succeeded, daemon.Failed, daemon.Canceled, daemon.Blocked,
	daemon.Started, daemon.Allocated, daemon.Ready, daemon.Waiting, daemon.Deferred}

func describeProgress(counts map[daemon.State]int, total, over int) string {
	parts := []string{fmt.Sprintf("%d of %d builds over", over, total)}
	for _, state := range byInterest {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// progress shows one line that changes on a terminal, and a line for each
// change elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	last     string
}

func newProgress(f *os.File) *progress {
	return &progress{w: f, terminal: term.IsTerminal(int(f.Fd()))}
}

func (p *progress) show(line string) {
	if line == p.last {
		return
	}
	p.last = line
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", clip(line, 79))
	} else {
		fmt.Fprintln(p.w, line)
	}
}

func (p *progress) end() {
	if p.terminal && p.last != "" {
		fmt.Fprintln(p.w)
	}
}
