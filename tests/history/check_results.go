package history

import (
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// ends: whatever was submitted has ended, or is blocked by failures.
func (c *checker) ends() {
	if !c.Drained {
		return
	}
	for _, b := range c.Builds {
		switch {
		case b.State.Finished():
		case b.State != daemon.Blocked:
			c.wrong("build %s is %s, although there were agents for all", b.UUID, b.State)
		case len(b.BlockedBy) == 0:
			c.wrong("build %s is blocked by nothing", b.UUID)
		}
		for _, uuid := range b.BlockedBy {
			if c.final[uuid].State != daemon.Failed {
				c.wrong("build %s is blocked by %s, which is %s", b.UUID, uuid, c.final[uuid].State)
			}
		}
	}
}

// results: the result that was acknowledged is the build's, and there is one.
func (c *checker) results() {
	for uuid, events := range c.of {
		b, there := c.final[uuid]
		ended := 0 // when it certainly had
		explained := !b.Processed && !b.Canceled
		for _, e := range events {
			switch {
			case e.Kind == Result && e.Done():
				if !there || b.Agent != e.Who || b.Result != resultOf(e.Success) {
					c.wrong("the %s of build %s by %s was acknowledged at %d, but it is %q by %q",
						resultOf(e.Success), uuid, e.Who, e.Answered, b.State, b.Agent)
				}
			case e.Kind == Cancel && e.Done() && (e.Word == daemon.BuildWasCanceled || e.Word == daemon.BuildWasCanceledAlready):
				if !b.Canceled {
					c.wrong("that build %s is canceled was acknowledged at %d, but it is %q", uuid, e.Answered, b.State)
				}
			case e.Kind == Cancel && e.Done() && e.Word == daemon.BuildAlreadyProcessed:
				if !b.Processed {
					c.wrong("that build %s has ended was said at %d, but it is %q", uuid, e.Answered, b.State)
				}
			}
			if ending(e) && (ended == 0 || e.Answered < ended) {
				ended = e.Answered
			}
			explained = explained || b.Canceled && e.Kind == Cancel && (e.Done() || e.Unknown()) ||
				b.Processed && e.Kind == Result && e.Who == b.Agent && resultOf(e.Success) == b.Result && (e.Done() || e.Unknown())
		}
		if !explained && there && b.FailureReason == "" {
			c.wrong("build %s is %s by %q, but nobody said so", uuid, b.State, b.Agent)
		}
		if ended > 0 {
			c.after(uuid, ended)
		}
		c.outputs(b)
	}
}

// ending tells whether a build has certainly ended after an event.
func ending(e Event) bool {
	return e.Done() && (e.Kind == Result || e.Kind == Cancel && e.Word != daemon.BuildRequiredByAnother)
}

func resultOf(success bool) string {
	if success {
		return wire.Success
	}
	return wire.Failure
}

// after: nothing happens to a build that has ended.
func (c *checker) after(uuid string, ended int) {
	for _, e := range c.events {
		if e.Sent < ended || !e.Done() {
			continue
		}
		switch {
		case e.Kind == Fetch:
			for _, b := range e.Builds {
				if b == uuid {
					c.wrong("build %s was handed out to %s at %d, although it had ended at %d", uuid, e.Who, e.Answered, ended)
				}
			}
		case e.Build == uuid && (e.Kind == Start || (e.Kind == SetupFailure || e.Kind == Release) && !c.repeats(e)):
			c.wrong("the %s of build %s was acknowledged at %d, although it had ended at %d", e.Kind, uuid, e.Answered, ended)
		}
	}
}

// repeats tells whether an agent may have said the same before. Then it is
// acknowledged, whatever happened since.
func (c *checker) repeats(e Event) bool {
	return slices.ContainsFunc(c.of[e.Build], func(before Event) bool {
		return before.Kind == e.Kind && before.Who == e.Who && before.within(0, e.Sent)
	})
}

// outputs: a success has the outputs that its agent reported, others have none.
func (c *checker) outputs(b wire.BuildDetail) {
	for _, o := range b.Outputs {
		reported := o.Hash == "" && b.Result != wire.Success || slices.ContainsFunc(c.of[b.UUID], func(e Event) bool {
			hash, there := e.Outputs[o.Name]
			return e.Kind == Result && e.Success && e.Who == b.Agent && (e.Done() || e.Unknown()) && there && hash == o.Hash
		})
		if !reported {
			c.wrong("the output %s of build %s, %s, has the hash %q, which %q did not report", o.Name, b.UUID, b.State, o.Hash, b.Agent)
		}
	}
}

// reports: what was acknowledged is written down, and no more than was said.
func (c *checker) reports() {
	for uuid, b := range c.final {
		for _, agent := range c.agents() {
			c.count(uuid, agent, Start, countOf(b.Starts, func(s wire.Start) bool { return s.Agent == agent }))
			c.count(uuid, agent, SetupFailure, countOf(b.SetupFailures, func(f wire.FailureEvent) bool { return f.Agent == agent }))
		}
	}
}

// count compares how often something was said with how often it is written.
// That an agent starts a build which it has started says nothing new, nor does
// a setup failure of a build that it does not hold any more.
func (c *checker) count(uuid, agent string, kind Kind, written int) {
	done, sent := 0, 0
	for _, e := range c.of[uuid] {
		if e.Kind == kind && e.Who == agent && e.within(0, e.Sent+1) {
			sent++
			if e.Done() && (kind == Start || !c.repeats(e) || c.certainlyHeld(uuid, agent, e.Sent)) {
				done++
			}
		}
	}
	if kind == Start {
		done = min(done, 1)
	}
	if written < done || written > sent {
		c.wrong("build %s has %d of %s by %s; %d were sent, %d acknowledged", uuid, written, kind, agent, sent, done)
	}
}

// certainlyHeld tells whether an agent was given a build again since all that
// may have ended that, and nobody else could end it.
func (c *checker) certainlyHeld(uuid, agent string, when int) bool {
	held := false
	for _, e := range c.events {
		switch {
		case e.Sent >= when:
			return held && len(c.Losses[uuid]) == 0
		case e.Kind == Cancel && e.Build == uuid:
			return false
		case e.Kind == Fetch && e.Who == agent && e.Done() && e.Answered < when && slices.Contains(e.Builds, uuid):
			held = true
		case e.Build == uuid && e.Who == agent && (e.Kind == SetupFailure || e.Kind == Release || e.Kind == Result):
			held = false
		}
	}
	return false
}

// agents are all that asked for builds.
func (c *checker) agents() (ids []string) {
	seen := make(map[string]bool)
	for _, e := range c.events {
		if e.Kind == Fetch && !seen[e.Who] {
			seen[e.Who] = true
			ids = append(ids, e.Who)
		}
	}
	return ids
}

func countOf[T any](list []T, which func(T) bool) (n int) {
	for _, v := range list {
		if which(v) {
			n++
		}
	}
	return n
}
