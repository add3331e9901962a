package coordinator

import (
	"context"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/event"
)

// event puts an event into the stream and into the outbox, for every hook that
// wants it. It is there exactly if the change that caused it was committed.
func (c *Coordinator) event(ch *change, e daemon.Event) error {
	switch e.Name {
	case daemon.BuildSubmitted, daemon.BuildSuccess, daemon.BuildFailure, daemon.BuildCanceled, daemon.EvaluationDone:
		ch.then = append(ch.then, c.happen)
	}
	e.Time = c.Now().UTC()
	if e.Name != daemon.BuildMissingInputs && e.Name != daemon.AgentStatusChanged {
		if err := ch.InsertEvent(ch.ctx, e); err != nil {
			return err
		}
		if !ch.told {
			ch.told = true
			ch.then = append(ch.then, c.wakeFollowers)
		}
	}
	if !slices.Contains(event.Names, e.Name) {
		return nil
	}
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
		Tags: b.Tags, Agent: b.Agent, NotBefore: b.NotBefore}
}

// tellAgent puts what is known of an agent into the stream.
func (c *Coordinator) tellAgent(ch *change, id string) error {
	a, _, err := ch.Agent(ch.ctx, id)
	if err != nil {
		return err
	}
	return c.event(ch, daemon.Event{Name: daemon.AgentUpdated, Agent: id, Report: a.Status, Details: &daemon.AgentDetails{
		Name: a.Name, Description: a.Description, Active: a.Active, Mode: a.Mode, Tags: a.Tags, Systems: a.Systems}})
}

// tellReleased says in the stream that an agent holds a build no longer, though
// that has not ended.
func (c *Coordinator) tellReleased(ch *change, id, build string) error {
	a, _, err := ch.Agent(ch.ctx, id)
	if err != nil {
		return err
	}
	// Readers may expect a status in every such event.
	return c.event(ch, daemon.Event{Name: daemon.AgentUpdated, Agent: id, Report: a.Status, Released: []string{build}})
}

// EventNews is closed when the stream has a new event. Ask for it before
// looking.
func (c *Coordinator) EventNews() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.eventNews
}

// wakeFollowers tells those who follow the stream. The caller holds mu.
func (c *Coordinator) wakeFollowers() {
	close(c.eventNews)
	c.eventNews = make(chan struct{})
}

// Events are at most limit events of the stream after an id, oldest first.
func (c *Coordinator) Events(ctx context.Context, after int64, limit int) ([]daemon.Event, error) {
	return c.Store.Events(ctx, after, limit)
}

// EventRange are the ids of the oldest event that is kept and of the newest;
// both are zero if there is none.
func (c *Coordinator) EventRange(ctx context.Context) (oldest, newest int64, err error) {
	if oldest, _, err = c.Store.FirstEvent(ctx); err != nil {
		return 0, 0, err
	}
	newest, err = c.Store.LastEvent(ctx)
	return oldest, newest, err
}

// Picture is the farm's agents and the id of the last event, as of one moment.
func (c *Coordinator) Picture(ctx context.Context) (daemon.Picture, error) {
	return c.Store.Picture(ctx)
}

// forgetEventsBatch is how many events are forgotten in one change.
const forgetEventsBatch = 10_000

// ForgetEvents deletes events that are not to be kept any longer. The newest
// one stays: the ids go on from it.
func (c *Coordinator) ForgetEvents(ctx context.Context) error {
	keep := c.settings()
	for keep.KeepEvents > 0 || keep.KeepEventsFor > 0 {
		oldest, at, err := c.Store.FirstEvent(ctx)
		if err != nil {
			return err
		}
		newest, err := c.Store.LastEvent(ctx)
		if err != nil {
			return err
		}
		last, before := int64(0), time.Unix(0, 0)
		if keep.KeepEvents > 0 {
			last = newest - int64(keep.KeepEvents)
		}
		if keep.KeepEventsFor > 0 {
			before = c.Now().Add(-keep.KeepEventsFor)
		}
		if oldest >= newest || oldest > last && !at.Before(before) {
			return nil
		}
		below := min(oldest+forgetEventsBatch, newest)
		if err := c.change(ctx, func(ch *change) error { return ch.ForgetEvents(ch.ctx, below, last, before) }); err != nil {
			return err
		}
	}
	return nil
}
