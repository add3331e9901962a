// Command demo sets up a whole farm, has it build the software of an imaginary
// team, some of which is broken, and shows what became of it. It is what
// "make demo" runs.
//
// It builds on the guix-daemon of this machine or, where there is none, on
// one in an overlay machine of its own (package tests/machine), for which it must
// run as root. It checks the farm's account against its own computation, and
// leaves nothing running. Environment:
//
//	KEEP=1              run the farm until Ctrl-C
//	TBFG_PROGRAM=FILE   use this static tbfg instead of building one
//	GUIX_DAEMON_SOCKET  where a guix-daemon may run already
//
// Files: logs and the program in demo-0, demo-1 and so on below $TBFG_CACHE or
// the user's cache directory. Trust: the program there is run. Size: 25 MB.
// Loss: harmless.
//
//go:debug default=go1.25
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

func main() {
	ctx := untilInterrupted(context.Background())
	os.Exit(run(ctx, newScreen(os.Stdout), os.Getenv("KEEP") == "1"))
}

// run does everything, undoes it, and returns the exit status.
func run(ctx context.Context, out *screen, keep bool) (status int) {
	var undo stack
	defer func() {
		if err := undo.unwind(); err != nil {
			fmt.Fprintln(os.Stderr, "demo: cannot clean up:", err)
			status = 1
		}
	}()
	err := demo(ctx, out, keep, &undo)
	if interruptedWithUs(err) {
		<-ctx.Done() // or about to be
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\ndemo:", context.Cause(ctx))
		return 130
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	return 1
}

// A stack has what is to be undone.
type stack []func() error

func (s *stack) push(undo func() error) { *s = append(*s, undo) }

// unwind undoes the last things first.
func (s *stack) unwind() error {
	var errs []error
	for _, undo := range slices.Backward(*s) {
		errs = append(errs, undo())
	}
	*s = nil
	return errors.Join(errs...)
}

func demo(ctx context.Context, out *screen, keep bool, undo *stack) error {
	out.say("This sets up a build farm for GNU Guix, has it build the software of an",
		"imaginary team, and shows what failed. Ctrl-C stops it at any time.")
	work, err := openWorkshop()
	if err != nil {
		return err
	}
	undo.push(work.close)

	out.heading("A Guix to build with")
	place, err := findPlace(ctx, out, work)
	if err != nil {
		return err
	}
	undo.push(place.close)

	out.heading("The farm")
	farm, err := startFarm(ctx, out, work, place)
	if err != nil {
		return err
	}
	undo.push(farm.stop)

	out.heading(fmt.Sprintf("%d packages to build", len(team)))
	drvs, err := addTeam(ctx, place)
	if err != nil {
		return err
	}
	if err := farm.build(ctx, out, drvs); err != nil {
		return err
	}

	out.heading("What became of them")
	results, err := farm.results(ctx, drvs)
	if err != nil {
		return err
	}
	out.table(team, results)
	if err := verify(ctx, farm, place, drvs, results); err != nil {
		return fmt.Errorf("this is not what the demo should come to; see the logs in %s\n%w", work.dir, err)
	}
	out.say("", "Verified: states, blockers, logs and the contents of the store are what the",
		"demo computes from its own list of packages.")
	if err := farm.showLog(ctx, out, results); err != nil {
		return err
	}
	out.heading("The team's account")
	if err := farm.account(ctx, out, place, drvs); err != nil {
		return err
	}
	farm.showAddresses(out, results, keep)
	if !keep {
		return nil
	}
	select {
	case <-ctx.Done():
		out.say("", "Stopping.")
		return nil
	case <-farm.serve.Done():
		return fmt.Errorf("the farm has ended by itself; see %s", farm.serve.Log)
	}
}
