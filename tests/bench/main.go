// Command bench races this program against its peers, both in the same run
// on the same machine, and prints one line a figure:
//
//	NAME value unit  peer=VALUE  ratio=R  goal=G  met|short
//
// The values are medians of several runs, in which the two sides take turns;
// the ratio is ours by the peer's. Whether the goal is the most or the least
// that the ratio should be depends on the figure: --list says it. A goal that is
// missed is not an error, a race that cannot be run is.
//
// Needs root and what package tests/machine needs. Progress goes to standard
// error.
//
//go:debug default=go1.25
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) (status int) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	list := flags.Bool("list", false, "say which races there are, and run none")
	asJSON := flags.Bool("json", false, "print JSON, one object a line, with all measurements")
	flags.DurationVar(&followTime, "follow", followTime, "how long events-1000 follows the events")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Usage: bench [--list] [--json] [--follow=TIME] [NAME…]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	if !*list {
		warnIfBusy()
	}
	for _, r := range chosen {
		if *list {
			fmt.Println(r.describe())
			continue
		}
		f, err := r.run(ctx)
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "bench: interrupted")
			return 130
		}
		if err != nil {
			// The others may be possible.
			fmt.Fprintf(os.Stderr, "bench: cannot run %s: %v\n", r.name, err)
			status = 1
			continue
		}
		if *asJSON {
			fmt.Println(f.json())
		} else {
			fmt.Println(f)
		}
	}
	return status
}

// warnIfBusy says when other programs are likely to disturb the races.
func warnIfBusy() {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err == nil && load > float64(runtime.NumCPU())/2 {
		fmt.Fprintf(os.Stderr, "bench: the load average is %g: other programs take part in these races\n", load)
	}
}

// choose finds races by their names; no name stands for all of them.
func choose(names []string) ([]*race, error) {
	if len(names) == 0 {
		return races, nil
	}
	var chosen []*race
	for _, name := range names {
		i := slices.IndexFunc(races, func(r *race) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no %q; see --list", name)
		}
		chosen = append(chosen, races[i])
	}
	return chosen, nil
}
