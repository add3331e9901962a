package history

import (
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// ends are the events after which nothing happens to a build.
var ends = map[string]daemon.State{
	event.BuildSuccess: daemon.Succeeded, event.BuildFailure: daemon.Failed, event.BuildCanceled: daemon.Canceled,
}

// hooks: each event was told at least once, none that did not happen, and those
// of a build in their order. A killed farm tells an event again, perhaps while
// the hook that it had started still writes: what counts is when each was told
// first, or, of several of one kind, as often as it happened.
func (c *checker) hooks() {
	if c.Told == nil {
		return
	}
	of := make(map[string][]string) // by build
	for _, told := range c.Told {
		of[told.Build] = append(of[told.Build], told.Event)
		if _, there := c.final[told.Build]; !there {
			c.wrong("a hook was told %s of build %s, which is not there", told.Event, told.Build)
		}
	}
	for uuid, b := range c.final {
		c.story(b, of[uuid])
	}
}

// story compares what hooks were told of a build with what happened to it.
func (c *checker) story(b wire.BuildDetail, told []string) {
	happened := map[string]int{event.BuildSubmitted: 1, event.BuildStarted: len(b.Starts),
		event.BuildMissingInputs: countOf(b.SetupFailures, func(f wire.FailureEvent) bool { return f.Reason == daemon.MissingInputs })}
	times := make(map[string]int)
	for i, name := range told {
		if times[name]++; i == 0 && name != event.BuildSubmitted {
			c.wrong("the first that hooks were told of build %s is %s", b.UUID, name)
		}
		state, end := ends[name]
		if end && state != b.State {
			c.wrong("hooks were told %s of build %s, which is %s", name, b.UUID, b.State)
		}
		for before, n := range happened {
			if end && times[name] == 1 && times[before] < n {
				c.wrong("hooks were told %s of build %s after %d times %s, of %d", name, b.UUID, times[before], before, n)
			}
		}
	}
	for name, state := range ends {
		if b.State == state {
			happened[name] = 1
		}
	}
	for name, n := range happened {
		if times[name] < n || n == 0 && times[name] > 0 {
			c.wrong("hooks were told %d times %s of build %s, which happened %d times", times[name], name, b.UUID, n)
		}
	}
}
