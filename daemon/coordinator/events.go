package coordinator

import (
	"codeberg.org/tbfg/tbfg/daemon"
)

// event puts an event into the outbox, for every hook that wants it. It is
// there exactly if the change that caused it was committed.
func (c *Coordinator) event(ch *change, e daemon.Event) error {
	switch e.Name {
	case daemon.BuildSubmitted, daemon.BuildSuccess, daemon.BuildFailure, daemon.BuildCanceled, daemon.EvaluationDone:
		ch.then = append(ch.then, c.happen)
	}
	e.Time = c.Now().UTC()
	hooks := c.settings().Hooks(e.Name)
	for _, hook := range hooks {
		if err := ch.InsertHookEvent(ch.ctx, hook, e); err != nil {
			return err
		}
	}
	if len(hooks) > 0 {
		ch.then = append(ch.then, c.wakeHooks)
	}
	return nil
}

// buildEvent is an event of a build.
func buildEvent(name string, b daemon.Build) daemon.Event {
	return daemon.Event{Name: name, Build: b.UUID, Derivation: b.Derivation, System: b.System, Priority: b.Priority,
		Tags: b.Tags, Agent: b.Agent}
}
