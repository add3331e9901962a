package coordinator

import (
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/uuid"
)

// rebuildMemory is for how long the builds of an input count that were made
// because agents could not get it.
const rebuildMemory = 24 * time.Hour

// lookForMissing deals with the inputs that an agent cannot get: it submits
// builds of those that no unfinished build makes, and has what needs them
// wait. What no known derivation makes, such as a source, must turn up by
// itself. Where agents never get what others built, an input would be built for
// ever: after the second build in a day each waits longer, as setup failures do.
func (c *Coordinator) lookForMissing(ch *change, b datastore.BuildRow, missing []storepath.Path) (submitted int, err error) {
	if !c.settings().SubmitMissing {
		return 0, nil
	}
	for _, path := range missing {
		makers, err := ch.Makers(ch.ctx, path)
		if err != nil {
			return submitted, err
		}
		if len(makers) == 0 {
			continue
		}
		unfinished := false
		for _, m := range makers {
			unfinished = unfinished || m.Unfinished
		}
		output := makers[0].Output
		if err := ch.LoseOutput(ch.ctx, output); err != nil {
			return submitted, err
		}
		ch.then = append(ch.then, func() { c.sched.Lost(output) })
		if unfinished {
			continue
		}
		s := daemon.Submission{UUID: uuid.NewString(), Derivation: makers[0].Derivation.Path, Priority: b.Priority, Tags: b.Tags}
		built, err := ch.BuildsSince(ch.ctx, makers[0].Derivation.ID, c.Now().Add(-rebuildMemory))
		if err != nil {
			return submitted, err
		}
		if built > 1 {
			s.NotBefore = c.Now().Add(c.setupPause(built - 2))
		}
		if err := c.insertBuild(ch, s, makers[0].Derivation.ID); err != nil {
			return submitted, err
		}
		submitted++
	}
	return submitted, nil
}
