package history

import (
	"net/http"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// births finds out since when each build was there.
func (c *checker) births() {
	there := func(uuid string, moment int) {
		if before := c.born[uuid]; before == 0 || moment < before {
			c.born[uuid] = moment
		}
	}
	for _, e := range c.events {
		switch {
		case e.Done() && (e.Kind == Submit || e.Kind == Retry || e.Kind == Fetch):
			for _, uuid := range e.Builds {
				there(uuid, e.Answered)
			}
		case e.Kind == Submit && e.Status == http.StatusConflict:
			there(e.Build, e.Answered)
		}
		if e.Kind != Submit || !e.WithInputs || !e.Done() || len(e.Builds) == 0 {
			continue
		}
		for drv := range c.Closure(e.Derivation) { // each has a build; if there is one, that
			for _, o := range c.Known[drv].Outputs {
				if makers := c.makers[o.Path]; len(makers) == 1 {
					there(makers[0], e.Answered)
				}
			}
		}
	}
}

// submissions: no build is lost that was acknowledged, and none is there that
// was refused.
func (c *checker) submissions() {
	refused := make(map[string]Event)
	chosen := make(map[string]bool)
	for _, e := range c.events {
		switch {
		case e.Kind == Retry && e.Done():
			for _, uuid := range e.Builds {
				if _, there := c.final[uuid]; !there {
					c.wrong("build %s was lost; it was acknowledged to one who retried %s at %d", uuid, e.Build, e.Answered)
				}
			}
		case e.Kind != Submit:
		case e.Done() && len(e.Builds) == 0:
			c.refusal(e)
			refused[e.Build] = e
		case e.Done():
			b, there := c.final[e.Builds[0]]
			switch {
			case !there:
				c.wrong("build %s was lost; it was acknowledged at %d", e.Builds[0], e.Answered)
			case b.Derivation != e.Derivation:
				c.wrong("build %s is of %s, but was submitted for %s", b.UUID, b.Derivation, e.Derivation)
			case e.Build != "" && e.Build != b.UUID:
				c.wrong("build %s was to be %s", b.UUID, e.Build)
			}
			chosen[e.Build] = true
		case e.Status == http.StatusConflict: // an attempt before was heard
			if _, there := c.final[e.Build]; !there {
				c.wrong("build %s was lost; a repeated submission met it at %d", e.Build, e.Answered)
			}
			chosen[e.Build] = true
		case e.Unknown():
			chosen[e.Build] = true
		default:
			c.wrong("the submission of %s was refused with status %d: %s", e.Derivation, e.Status, e.Text)
		}
	}
	for uuid, e := range refused {
		if _, there := c.final[uuid]; there && uuid != "" && !chosen[uuid] {
			c.wrong("build %s is there although it was not submitted (%s at %d)", uuid, e.Word, e.Answered)
		}
	}
}

// refusal: what a submission was not done for must be there.
func (c *checker) refusal(e Event) {
	for _, o := range c.Known[e.Derivation].Outputs {
		for _, uuid := range c.makers[o.Path] {
			if e.Word == daemon.OutputHasBuild || c.final[uuid].Derivation == e.Derivation {
				return
			}
		}
	}
	c.wrong("%s was not submitted at %d because of a build (%s), but there is none", e.Derivation, e.Answered, e.Word)
}

// inputs: a submission with its inputs leaves no derivation below it without
// a build.
func (c *checker) inputs() {
	for drv := range c.withInputs(func(e Event) bool { return e.Done() && len(e.Builds) > 0 }) {
		found := false
		for _, o := range c.Known[drv].Outputs {
			found = found || len(c.makers[o.Path]) > 0
		}
		if !found {
			c.wrong("%s has no build, although one above it was submitted with its inputs", drv)
		}
	}
}

// withInputs are the derivations below the submissions with inputs.
func (c *checker) withInputs(which func(Event) bool) map[storepath.Path]bool {
	all := make(map[storepath.Path]bool)
	for _, e := range c.events {
		if e.Kind == Submit && e.WithInputs && which(e) && !all[e.Derivation] {
			for drv := range c.Closure(e.Derivation) {
				all[drv] = true
			}
		}
	}
	return all
}

// numbers: no build was made twice of what was asked once. Builds whose UUIDs
// nobody was told must be explained by submissions with inputs, one for each
// derivation and each time that one was canceled, or by requests that were not
// answered.
func (c *checker) numbers() {
	told := make(map[string]bool)
	maybe := make(map[storepath.Path]int) // how many of a derivation may be there besides
	for _, e := range c.events {
		switch {
		case (e.Kind == Submit || e.Kind == Retry) && e.Done():
			for _, uuid := range e.Builds {
				told[uuid] = true
			}
		case e.Kind == Submit && e.Build == "" && e.Unknown():
			maybe[e.Derivation]++
		case e.Kind == Retry && e.Unknown():
			// Its own derivation, those that block it, canceled ones above.
			drv := c.final[e.Build].Derivation
			below := c.Closure(drv)
			for _, other := range c.Paths {
				if below[other] || c.Closure(other)[drv] {
					maybe[other]++
				}
			}
		}
		switch {
		case e.Kind == Submit:
			told[e.Build] = true
		case e.Kind == Cancel && e.within(0, e.Sent+1):
			maybe[c.final[e.Build].Derivation]++
		}
	}
	for drv := range c.withInputs(func(e Event) bool { return e.Done() || e.Unknown() }) {
		maybe[drv]++
	}
	if c.Resubmits {
		return
	}
	for _, b := range c.Builds {
		if told[b.UUID] {
			continue
		}
		if maybe[b.Derivation]--; maybe[b.Derivation] < 0 {
			c.wrong("nobody asked for build %s of %s", b.UUID, b.Derivation)
		}
	}
}
