package history

import (
	"slices"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// limits: no agent holds more than it wants, and reports only on what it held.
func (c *checker) limits() {
	held := make(map[string]map[string]int) // by agent and build: when it first heard of it
	for _, e := range c.events {
		if e.Kind != Fetch || !e.Done() {
			continue
		}
		if len(e.Builds) > e.Target {
			c.wrong("the agent %s holds %d builds at %d, but wants %d", e.Who, len(e.Builds), e.Answered, e.Target)
		}
		if held[e.Who] == nil {
			held[e.Who] = make(map[string]int)
		}
		for _, b := range e.Builds {
			if held[e.Who][b] == 0 {
				held[e.Who][b] = e.Answered
			}
		}
	}
	for _, e := range c.events {
		switch e.Kind {
		case Start, SetupFailure, Log, Result, Release:
			if since := held[e.Who][e.Build]; e.Done() && (since == 0 || since > e.Sent) {
				c.wrong("the %s of build %s by %s was accepted at %d, who did not hold it", e.Kind, e.Build, e.Who, e.Answered)
			}
		}
	}
}

// An appearance is that an agent was told to hold a build.
type appearance struct {
	agent    string
	from, to int  // it was so at a moment between these
	fresh    bool // it was handed out since from
}

// appearances are those of each build, in the order of answers.
func (c *checker) appearances() map[string][]appearance {
	all := make(map[string][]appearance)
	last := make(map[string]Event) // answered fetch of each agent
	for _, e := range c.events {
		if e.Kind != Fetch || !e.Done() {
			continue
		}
		before, any := last[e.Who]
		for _, uuid := range e.Builds {
			a := appearance{agent: e.Who, from: e.Sent, to: e.Answered, fresh: true}
			if any && slices.Contains(before.Builds, uuid) {
				a.fresh = slices.ContainsFunc(c.of[uuid], func(r Event) bool {
					return r.Who == e.Who && (r.Kind == Release || r.Kind == SetupFailure) && r.within(before.Sent, e.Answered)
				}) || c.Losses[uuid][e.Who] > 0
			}
			all[uuid] = append(all[uuid], a)
		}
		last[e.Who] = e
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b appearance) int { return a.to - b.to })
	}
	return all
}

// holders: a build is in the hands of one agent at a time.
func (c *checker) holders() {
	for uuid, list := range c.appearances() {
		changes := make(map[string]int) // away from an agent, without its doing
		for i := 1; i < len(list); i++ {
			one, two := list[i-1], list[i]
			if one.agent == two.agent {
				continue
			}
			gaveBack := slices.ContainsFunc(c.of[uuid], func(e Event) bool {
				// Where the two overlap either may have been first.
				mine := e.Who == one.agent && e.within(one.from, two.to) ||
					e.Who == two.agent && two.from < one.to && e.within(two.from, one.to)
				return mine && (e.Kind == Release || e.Kind == SetupFailure)
			})
			if gaveBack {
				continue
			}
			if changes[one.agent]++; changes[one.agent] > c.Losses[uuid][one.agent] {
				c.wrong("build %s was handed to %s at %d while %s held it since %d", uuid, two.agent, two.to, one.agent, one.to)
			}
		}
	}
}

// gone: an agent is told that it lost a build only if it did.
func (c *checker) gone() {
	for _, e := range c.events {
		for _, uuid := range e.Gone {
			reason := c.Losses[uuid][e.Who] > 0 || c.final[uuid].FailureReason != "" ||
				slices.ContainsFunc(c.of[uuid], func(r Event) bool {
					return r.within(0, e.Answered) && (r.Kind == Result || r.Kind == Cancel || r.Kind == Release || r.Kind == SetupFailure)
				})
			if !reason {
				c.wrong("%s was told at %d that build %s is gone, which it holds", e.Who, e.Answered, uuid)
			}
		}
	}
}

// order: no build is handed out before the builds of its inputs that the farm
// knows have succeeded; so none that is blocked.
func (c *checker) order() {
	fetched := make(map[string][]Event) // by agent
	for _, e := range c.events {
		if e.Kind == Fetch {
			fetched[e.Who] = append(fetched[e.Who], e)
		}
	}
	for uuid, list := range c.appearances() {
		b, there := c.final[uuid]
		if !there {
			c.wrong("build %s was handed out, but is not there", uuid)
			continue
		}
		for _, a := range list {
			if !a.fresh {
				continue
			}
			// Answers that were lost may have been the first to have it.
			from := a.from
			for _, e := range slices.Backward(fetched[a.agent]) {
				if e.Sent < a.from && e.Done() {
					break
				}
				from = min(from, e.Sent)
			}
			for _, output := range c.Needs(b.Derivation) {
				if maker := c.absent(output, uuid, from, a.to); maker != "" {
					c.wrong("build %s was handed to %s at %d before its input %s was there, of which there is build %s (%s)",
						uuid, a.agent, a.to, output, maker, c.final[maker].State)
				}
			}
		}
	}
}

// absent returns a build that shows that an output was certainly not there
// between two moments: it was submitted before, was not canceled until then,
// and neither it nor another build of the output succeeded until then.
func (c *checker) absent(output storepath.Path, of string, from, to int) (maker string) {
	for _, uuid := range c.makers[output] {
		if uuid == of {
			return "" // it makes what it needs
		}
		canceled := false
		for _, e := range c.of[uuid] {
			switch {
			case e.Kind == Cancel && e.within(0, to):
				canceled = true
			case e.Kind == Result && e.Success && e.within(0, to):
				return ""
			}
		}
		if born := c.born[uuid]; born > 0 && born < from && !canceled {
			maker = uuid
		}
	}
	return maker
}
