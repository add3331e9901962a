package coordinator

import (
	"context"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
)

// maxHashSize bounds an output's hash, in bytes. Those of SHA-256 have 59,
// with their prefix.
const maxHashSize = 200

// held is the build that an agent reports on. It must hold it, or have
// finished it, since a report may arrive twice.
func held(ctx context.Context, q datastore.Queries, agent, uuid string) (datastore.BuildRow, error) {
	if err := CheckUUID(uuid); err != nil {
		return datastore.BuildRow{}, err
	}
	b, found, err := q.Build(ctx, uuid)
	switch {
	case err != nil:
		return b, err
	case !found:
		return b, noBuild(uuid)
	case b.Agent != agent:
		return b, daemon.Errorf(daemon.Denied, "the build %s is not allocated to the agent %s", uuid, agent)
	}
	return b, nil
}

// heldOrLost is held, but for a result it is enough that the agent held the
// build once: it may have been thought to have vanished.
func heldOrLost(ctx context.Context, q datastore.Queries, agent, uuid string) (datastore.BuildRow, error) {
	b, err := held(ctx, q, agent, uuid)
	if daemon.CodeOf(err) != daemon.Denied {
		return b, err
	}
	_, losses, e := q.Losses(ctx, b.ID, agent)
	if e != nil {
		return b, e
	}
	if losses > 0 {
		return b, nil
	}
	return b, err
}

// ReportStart records that an agent began to build.
func (c *Coordinator) ReportStart(ctx context.Context, agent, uuid string) error {
	news := false
	err := c.change(ctx, func(ch *change) error {
		b, err := held(ch.ctx, ch.Queries, agent, uuid)
		if err != nil || b.State == daemon.Started {
			return err
		}
		if b.State.Finished() {
			return processed(b)
		}
		news = true
		if err := c.event(ch, buildEvent(daemon.BuildStarted, b.Build)); err != nil {
			return err
		}
		return ch.Start(ch.ctx, b.ID, daemon.Start{Agent: agent, Time: c.Now()})
	})
	if err == nil && news {
		c.Log.Info("build "+uuid+" started", "agent", agent)
	}
	return err
}

func noBuild(uuid string) error {
	return daemon.Errorf(daemon.NotFound, "there is no build %s", uuid)
}

func processed(b datastore.BuildRow) error {
	return daemon.Errorf(daemon.Processed, "the build %s is %s already", b.UUID, b.State)
}

// ReportResult records how a build ended. The first result counts; the same
// one again is taken as a repetition.
func (c *Coordinator) ReportResult(ctx context.Context, agent, uuid string, r daemon.Result) error {
	if err := checkResult(&r); err != nil {
		return err
	}
	if now := c.Now(); r.Ended.IsZero() || r.Ended.After(now.Add(time.Hour)) {
		r.Ended = now // no clock, or a wrong one
	}
	want := daemon.Failed
	if r.Success {
		want = daemon.Succeeded
		if _, err := heldOrLost(ctx, c.Store.Queries, agent, uuid); err != nil {
			return err
		}
		if err := c.checkOutputs(uuid, r); err != nil {
			return err
		}
	}
	news := false
	err := c.change(ctx, func(ch *change) error {
		b, err := heldOrLost(ch.ctx, ch.Queries, agent, uuid)
		if err != nil || b.State == want && b.Agent == agent {
			return err
		}
		if b.State.Finished() {
			return processed(b)
		}
		news = true
		return c.finish(ch, b, agent, r)
	})
	if err == nil && news {
		c.Log.Info("build "+uuid+" "+string(want), "agent", agent)
	}
	return err
}

// finish ends a build, whoever holds it now.
func (c *Coordinator) finish(ch *change, b datastore.BuildRow, agent string, r daemon.Result) error {
	ch.then = append(ch.then, func() {
		c.Observe.Ended(agent, b.System, r.Success)
		c.sched.Finish(b.ID, r.Success)
		if r.Success {
			c.ended.Succeeded++
		} else {
			c.ended.Failed++
		}
		c.announce()
	})
	ch.after = append(ch.after, func() { c.endFiles(b.UUID) })
	b.Agent = agent
	event := buildEvent(daemon.BuildFailure, b.Build)
	if r.Success {
		event.Name = daemon.BuildSuccess
	}
	event.FailureReason = r.Reason
	if err := c.event(ch, event); err != nil {
		return err
	}
	if err := ch.Finish(ch.ctx, b, agent, r); err != nil || r.Success {
		return err
	}
	return c.retryFailure(ch, b)
}

// checkResult bounds what an agent says of a result. A failure has no outputs.
func checkResult(r *daemon.Result) error {
	if !r.Success {
		r.Outputs = nil
	}
	names := make(map[string]bool, len(r.Outputs))
	for _, o := range r.Outputs {
		if names[o.Name] {
			return daemon.Errorf(daemon.Invalid, "result: the output %.80q is there twice", o.Name)
		}
		names[o.Name] = true
		if o.Hash == "" || len(o.Hash) > maxHashSize {
			return daemon.Errorf(daemon.Invalid, "result: the hash of output %.80q must have 1 to %d bytes", o.Name, maxHashSize)
		}
	}
	return r.Check()
}

// ReportSetupFailure records that an agent could not begin a build, which
// goes back to the queue for a while. A report that the agent repeats, because
// it lost the answer, changes nothing.
func (c *Coordinator) ReportSetupFailure(ctx context.Context, agent, uuid string, f daemon.SetupFailure) error {
	f.Agent, f.Time = agent, c.Now()
	if err := f.Check(); err != nil {
		return err
	}
	var until time.Time
	submitted, news := 0, false
	err := c.change(ctx, func(ch *change) error {
		b, err := held(ch.ctx, ch.Queries, agent, uuid)
		if err == nil && b.State.Finished() {
			err = processed(b)
		}
		if code := daemon.CodeOf(err); code == daemon.Denied || code == daemon.Processed {
			last, e := ch.LastSetupFailure(ch.ctx, b.ID, agent)
			if e != nil || last == f.Reason {
				return e // it did not hear the answer
			}
		}
		if err != nil {
			return err
		}
		news = true
		event := buildEvent(daemon.BuildSetupFailure, b.Build)
		event.FailureReason, event.MissingInputs = f.Reason, f.MissingInputs
		if err := c.event(ch, event); err != nil {
			return err
		}
		if f.Reason == daemon.MissingInputs {
			event.Name = daemon.BuildMissingInputs
			if err := c.event(ch, event); err != nil {
				return err
			}
			if submitted, err = c.lookForMissing(ch, b, f.MissingInputs); err != nil {
				return err
			}
		}
		ch.then = append(ch.then, func() { c.Observe.SetupFailed(agent, f.Reason) })
		before, others, err := ch.SetupFailureCount(ch.ctx, b.ID)
		if err != nil {
			return err
		}
		until = f.Time.Add(c.setupPause(before))
		if submitted > 0 {
			until = time.Time{} // it waits for these
		}
		if err := ch.FailSetup(ch.ctx, b.ID, f, until); err != nil {
			return err
		}
		if most := c.settings().MaxSetupFailures; f.Reason != daemon.MissingInputs && most > 0 && others+1 >= most {
			return c.finish(ch, b, agent, daemon.Result{Ended: f.Time,
				Reason: fmt.Sprintf("given up: it could not be set up %d times, the last time because of %s", others+1, f.Reason)})
		}
		c.release(ch, b.ID, until)
		return nil
	})
	switch {
	case err != nil || !news:
	case submitted > 0:
		c.Log.Info("build "+uuid+" waits for builds of inputs that are missing", "agent", agent, "submitted", submitted)
	default:
		attrs := []any{"agent", agent, "reason", f.Reason, "missing", len(f.MissingInputs), "again", until.UTC().Format(time.DateTime)}
		if f.Details != "" {
			attrs = append(attrs, "details", f.Details)
		}
		c.Log.Warn("build "+uuid+" could not be set up", attrs...)
	}
	return err
}

// setupPause is how long a build waits after a setup failure that was
// preceded by some number of others.
func (c *Coordinator) setupPause(before int) time.Duration {
	pause, longest := c.settings().SetupRetry, c.settings().MaxSetupRetry
	for range before {
		if pause > longest/2 {
			return longest
		}
		pause *= 2
	}
	return min(pause, longest)
}

// ReleaseBuild puts a build that an agent gives back into the queue. Once more,
// that changes nothing.
func (c *Coordinator) ReleaseBuild(ctx context.Context, agent, uuid string) error {
	news := false
	err := c.change(ctx, func(ch *change) error {
		b, err := held(ch.ctx, ch.Queries, agent, uuid)
		if daemon.CodeOf(err) == daemon.Denied {
			did, e := ch.HandedBack(ch.ctx, b.ID, agent)
			if e != nil || did {
				return e
			}
		}
		if err != nil {
			return err
		}
		if b.State.Finished() {
			return processed(b)
		}
		news = true
		c.release(ch, b.ID, time.Time{})
		if err := ch.HandBack(ch.ctx, b.ID, agent); err != nil {
			return err
		}
		return c.tellReleased(ch, agent, uuid)
	})
	if err == nil && news {
		c.Log.Info("build "+uuid+" handed back", "agent", agent)
	}
	return err
}

// ReportStatus keeps what an agent says of itself.
func (c *Coordinator) ReportStatus(ctx context.Context, agent string, s daemon.AgentStatus) error {
	s.Time = c.Now()
	return c.change(ctx, func(ch *change) error {
		a, found, err := ch.Agent(ch.ctx, agent)
		if err != nil {
			return err
		}
		if !found {
			return noAgent(agent)
		}
		if a.Status == nil || a.Status.Status != s.Status {
			if err := c.event(ch, daemon.Event{Name: daemon.AgentStatusChanged, Agent: agent, Status: s.Status}); err != nil {
				return err
			}
		}
		if err := ch.SetAgentStatus(ch.ctx, agent, s); err != nil {
			return err
		}
		return c.event(ch, daemon.Event{Name: daemon.AgentUpdated, Agent: agent, Report: &s})
	})
}
