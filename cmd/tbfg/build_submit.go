package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/urfave/cli/v2"
)

const (
	parallelSubmissions = 8  // the coordinator commits what comes together at once
	manyDerivations     = 16 // from which on they go in parallel and with a progress bar
)

// submitAll submits a build of each derivation, many of them several at a time,
// and prints the replies in the order of the derivations. After a failure
// nothing more is submitted, but what was is printed.
func submitAll(c *cli.Context, submission daemon.Submission, paths []storepath.Path) error {
	type outcome struct {
		reply wire.SubmissionReply
		err   error
	}
	outcomes := make([]chan outcome, len(paths)) // each for one, so that nobody waits to send
	for i := range outcomes {
		outcomes[i] = make(chan outcome, 1)
	}
	client := client(c)
	var next, failed atomic.Int64
	workers := 1 // so that few are in the queue in their order
	if len(paths) >= manyDerivations {
		workers = parallelSubmissions
	}
	for range workers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) {
					return
				}
				var o outcome
				if failed.Load() > 0 {
					o.err = errNotTried
				} else {
					s := submission
					s.Derivation = paths[i]
					if o.reply, o.err = client.Submit(c.Context, s); o.err != nil {
						failed.Add(1)
					}
				}
				outcomes[i] <- o
			}
		}()
	}
	bar := newBar(len(paths))
	defer bar.clear()
	var errs []error
	for i, path := range paths {
		o := <-outcomes[i]
		bar.clear()
		switch {
		case o.err == nil:
			if err := printSubmitted(c, path, o.reply); err != nil {
				failed.Add(1)
				errs = append(errs, err)
			}
		case !errors.Is(o.err, errNotTried):
			errs = append(errs, fmt.Errorf("cannot submit a build of %s: %w", path, o.err))
		}
		bar.show(i + 1)
	}
	return errors.Join(errs...)
}

var errNotTried = errors.New("not tried after a failure")

// bar shows on a terminal how many of many derivations are submitted.
type bar struct {
	*progress
	total int
}

func newBar(total int) bar {
	b := bar{newProgress(os.Stderr), total}
	b.terminal = b.terminal && total >= manyDerivations
	return b
}

func (b bar) show(done int) {
	if b.terminal {
		b.progress.show(drawBar(done, b.total))
	}
}

// clear makes room for a line of output.
func (b bar) clear() {
	if b.terminal {
		b.last = ""
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

func drawBar(done, total int) string {
	const width = 40
	full := width * done / total
	return fmt.Sprintf("[%s%s] %d of %d submitted", strings.Repeat("#", full), strings.Repeat(" ", width-full), done, total)
}
