package history

import (
	"fmt"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// An Account is what the farm says at the end, when all agents and clients
// have stopped, and what it was allowed to do of its own accord.
type Account struct {
	Builds []wire.BuildDetail
	// Losses counts, by build and then by agent, how often a build was taken
	// from an agent that was silent; these may be held by another since.
	Losses map[string]map[string]int
	// Resubmits says that the farm may submit builds again after failures,
	// and those of missing inputs.
	Resubmits bool
	// Told is what a hook was told of all builds, if there was one, when
	// there was nothing more to tell.
	Told []Told
	// Drained says that agents went on until there was nothing more to have.
	Drained bool
}

// Check returns what is wrong about a farm's account, given the history of all
// that was asked and answered.
func (w *World) Check(a Account) []string {
	c := &checker{World: w, Account: a, events: w.Events(), final: make(map[string]wire.BuildDetail),
		makers: make(map[storepath.Path][]string), of: make(map[string][]Event), born: make(map[string]int)}
	for _, b := range a.Builds {
		if _, twice := c.final[b.UUID]; twice {
			c.wrong("build %s is listed twice", b.UUID)
		}
		c.final[b.UUID] = b
		for _, o := range w.Known[b.Derivation].Outputs {
			c.makers[o.Path] = append(c.makers[o.Path], b.UUID)
		}
	}
	for _, e := range c.events {
		if e.Build != "" {
			c.of[e.Build] = append(c.of[e.Build], e)
		}
	}
	c.births()
	c.submissions()
	c.inputs()
	c.numbers()
	c.ends()
	c.results()
	c.reports()
	c.limits()
	c.holders()
	c.gone()
	c.order()
	c.hooks()
	return c.problems
}

type checker struct {
	*World
	Account
	events   []Event
	of       map[string][]Event // by build
	born     map[string]int     // when each build was certainly there; 0 if that is not known
	final    map[string]wire.BuildDetail
	makers   map[storepath.Path][]string // builds that make an output
	problems []string
}

func (c *checker) wrong(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// within tells whether what an event asks for may have been done between two
// moments.
func (e *Event) within(from, to int) bool {
	return (e.Done() || e.Unknown()) && e.Sent < to && (e.Unknown() || e.Answered > from)
}
