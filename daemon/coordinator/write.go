package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/daemon/scheduler"
)

// maxBatch is how many changes share a commit at most. A durable commit
// waits for the disk, so changes that come while one is under way go
// together into the next.
const maxBatch = 512

// A change is one request's part of a transaction.
type change struct {
	*datastore.Tx
	ctx context.Context // for the queries; it does not end with the request
	// then is done in memory after the commit, with mu held; undo if this
	// part of the transaction is rolled back. Neither is done when the
	// commit itself fails: then memory is rebuilt from the database.
	then []func()
	undo []func()
	// after is done after the commit by who asked, without a lock: files.
	after []func()
	told  bool // those who follow the stream are among then
}

type request struct {
	ctx context.Context
	do  func(*change) error
	err chan error // capacity 1
	c   change
}

// errClosed is the answer to those who come when the coordinator is closed.
var errClosed = daemon.Errorf(daemon.Unavailable, "the coordinator is stopping")

// change asks the writer to run do in a transaction and waits until that is
// committed. Whatever do changes takes effect whole or not at all. If ctx
// ends first the change may still be done, or be under way: after an error the
// caller must not touch what do writes to.
func (c *Coordinator) change(ctx context.Context, do func(*change) error) error {
	r := &request{ctx: ctx, do: do, err: make(chan error, 1)}
	select {
	case c.requests <- r:
	case <-c.stop:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-r.err:
		if err == nil {
			for _, f := range r.c.after {
				f()
			}
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is the writer: the one goroutine that changes the farm's state.
func (c *Coordinator) write() {
	defer close(c.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.advance())
		select {
		case first := <-c.requests:
			c.commit(c.collect(first))
		case <-c.graphs.many:
			c.commit(nil)
		case <-timer.C:
		case <-c.stop:
			return
		}
	}
}

// collect takes the requests that wait.
func (c *Coordinator) collect(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case r := <-c.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction and answers each request. Before them
// it stores derivations that were read; those who need them come to know if
// that fails.
func (c *Coordinator) commit(batch []*request) {
	if err := c.refresh(); err != nil {
		for _, r := range batch {
			r.err <- err
		}
		return
	}
	ctx := context.Background()
	update := c.Store.Update
	if len(batch) == 0 { // nobody is told of what was read
		update = c.Store.UpdateSoon
	}
	if part := c.graphs.take(); len(part) > 0 {
		r := &request{ctx: ctx, do: func(ch *change) error { return ch.InsertGraph(ctx, part...) }, err: make(chan error, 1)}
		batch = slices.Insert(batch, 0, r)
	}
	if len(batch) == 0 {
		return
	}
	results := make([]error, len(batch))
	began := c.Now()
	err := update(ctx, func(tx *datastore.Tx) error {
		for i, r := range batch {
			if r.ctx.Err() != nil {
				results[i] = context.Cause(r.ctx)
				continue
			}
			r.c = change{Tx: tx, ctx: ctx}
			results[i] = tx.Part(ctx, func() error { return r.do(&r.c) })
			if results[i] != nil {
				c.locked(r.c.undo)
			}
			if errors.Is(results[i], datastore.ErrGone) {
				return results[i]
			}
		}
		return nil
	})
	c.Observe.Committed(c.Now().Sub(began), len(batch), err != nil)
	if err != nil {
		// The disk may hold the changes or not: refresh makes sure that it
		// does not, and looks.
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
		c.Log.Error("cannot commit; nothing was acknowledged", "changes", len(batch), "err", err)
		_ = c.refresh() // if the disk does not tell now, the next request asks again
	}
	for i, r := range batch {
		switch {
		case err != nil:
			r.err <- fmt.Errorf("the change may not have been stored: %w", err)
		case results[i] != nil:
			r.err <- results[i]
		default:
			c.locked(r.c.then)
			r.err <- nil
		}
	}
}

// refresh rebuilds what is in memory if a commit failed.
func (c *Coordinator) refresh() error {
	if !c.stale { // only the writer sets it
		return nil
	}
	ctx := context.Background()
	err := c.Store.Settle(ctx)
	var sched *scheduler.Scheduler
	var ended datastore.Outcomes
	if err == nil {
		sched, ended, err = c.load(ctx)
	}
	if err != nil {
		return errors.Join(daemon.Errorf(daemon.Unavailable, "the coordinator cannot use its database"), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sched, c.ended, c.stale = sched, ended, false
	c.announce()
	c.happen()
	return nil
}

func (c *Coordinator) locked(do []func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range do {
		f()
	}
}

// advance makes the builds ready whose time has come, and returns how long
// the next one has to wait. The writer does it when that is over; those who
// count builds do it too, since it may not have got round to it.
func (c *Coordinator) advance() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.sched.NextDue()
	if due.IsZero() {
		return time.Hour
	}
	if now := c.Now(); !due.After(now) {
		c.sched.Advance(now)
		c.announce()
		if due = c.sched.NextDue(); due.IsZero() {
			return time.Hour
		}
	}
	return max(time.Millisecond, due.Sub(c.Now()))
}
