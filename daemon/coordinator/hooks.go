package coordinator

import (
	"context"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// What the runner of hooks needs: the outbox, and to hear when there is
// something new in it.

// HookNews is closed when an event was put into the outbox or taken up again.
// Ask for it before looking.
func (c *Coordinator) HookNews() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.hookNews
}

// Wanted tells whether a hook wants to be told of an event.
func (c *Coordinator) Wanted(event string) bool { return len(c.settings().Hooks(event)) > 0 }

// wakeHooks tells the runner of hooks. The caller holds mu.
func (c *Coordinator) wakeHooks() {
	close(c.hookNews)
	c.hookNews = make(chan struct{})
}

// HookEvents are events in the outbox after one, oldest first; parked ones or
// the others.
func (c *Coordinator) HookEvents(ctx context.Context, after int64, parked bool, limit int) ([]daemon.HookEvent, error) {
	return c.Store.HookEvents(ctx, after, parked, limit)
}

// Outbox counts the events in the outbox, by name: those that wait for their
// hook and those that were given up. It counts the oldest thousands only.
func (c *Coordinator) Outbox(ctx context.Context) (waiting, parked map[string]int, err error) {
	return c.Store.CountHookEvents(ctx)
}

// HookDone takes an event out of the outbox.
func (c *Coordinator) HookDone(ctx context.Context, id int64) error {
	return c.change(ctx, func(ch *change) error { return ch.DeleteHookEvent(ch.ctx, id) })
}

// HookFailed records that a hook failed on an event, which it is told again at
// a time, or never if the event is parked.
func (c *Coordinator) HookFailed(ctx context.Context, id int64, text string, again time.Time, park bool) error {
	return c.change(ctx, func(ch *change) error { return ch.FailHookEvent(ch.ctx, id, text, again, park) })
}

// RetryHooks takes up a parked event again, or all of them if id is zero, and
// returns how many.
func (c *Coordinator) RetryHooks(ctx context.Context, id int64) (int64, error) {
	var n int64
	err := c.change(ctx, func(ch *change) (err error) {
		n, err = ch.RetryHookEvents(ch.ctx, id)
		ch.then = append(ch.then, c.wakeHooks)
		return err
	})
	if err != nil {
		return 0, err
	}
	if id != 0 && n == 0 {
		return 0, daemon.Errorf(daemon.NotFound, "there is no parked hook event %d", id)
	}
	return n, nil
}
