package agent

import (
	"context"
	"errors"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// outcome is how an attempt at a build ended: in a setup failure or a result.
type outcome struct {
	setup  *daemon.SetupFailure
	result daemon.Result
}

// process sees one build through: it builds until there is an outcome and
// delivers that.
func (a *Agent) process(ctx context.Context, b daemon.Allocation) {
	if r := a.resumed[b.UUID]; r != nil && r.stillHere() {
		a.events <- event{kind: built}
		<-r.done
		return
	}
	j := &job{Agent: a, b: b}
	out, err := j.persist(ctx)
	a.events <- event{kind: built}
	if err == nil {
		j.record(out)
		err = j.deliver(out)
	}
	j.end(err)
}

// persist attempts a build until it has an outcome or the coordinator refuses
// it. What is between us and the daemon, such as its restart, is not the
// build's fault, and neither is a full disk.
func (j *job) persist(ctx context.Context) (outcome, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		out, err := j.attempt(ctx)
		var refused *wire.StatusError
		switch {
		case ctx.Err() != nil && err != nil:
			return out, context.Cause(ctx)
		case err == nil || errors.As(err, &refused):
			return out, err
		}
		j.Log.Warn("the build "+j.b.UUID+" could not be had from guix-daemon; trying again", "err", err)
		if sleep(j.run, pause); j.run.Err() != nil {
			return out, errStopping // nothing is lost by handing it back
		}
	}
}

// attempt makes one attempt at the build, unless one before, of this agent or
// of one that was killed, has all that it takes.
func (j *job) attempt(ctx context.Context) (outcome, error) {
	if err := j.open(); err != nil {
		return outcome{}, err
	}
	if out, built, err := j.alreadyBuilt(ctx); built || err != nil {
		return out, err
	}
	if err := j.begin(); err != nil {
		return outcome{}, err
	}
	out, err := j.Agent.attempt(ctx, j.b, j)
	if large := j.log.TooLarge(); large != nil && ctx.Err() == nil {
		return outcome{result: daemon.Result{Ended: now(), Reason: large.Error()}}, nil
	}
	return out, err
}

// deliver tells the coordinator how a build ended: first the log, then the
// outputs, if it wants them, then the result.
func (j *job) deliver(out outcome) error {
	b := j.b
	if f := out.setup; f != nil {
		j.Log.Warn("build "+b.UUID+" could not be set up", "reason", f.Reason, "missing", len(f.MissingInputs))
		return j.report("report a setup failure", func(ctx context.Context) error {
			return j.api.ReportSetupFailure(ctx, b.UUID, *f)
		})
	}
	// The result is worth more than what goes with it.
	if err := j.deliverLog(); j.work.Err() != nil {
		return context.Cause(j.work)
	} else if err != nil {
		j.Log.Error("the coordinator did not take the log of build "+b.UUID, "err", err)
	}
	if err := j.deliverOutputs(out.result); err != nil {
		return err
	}
	err := j.report("report a result", func(ctx context.Context) error {
		return j.api.ReportResult(ctx, b.UUID, out.result)
	})
	var status *wire.StatusError
	if errors.As(err, &status) && status.Code == wire.AlreadyProcessed {
		err = nil
	}
	if err != nil {
		return err
	}
	if out.result.Success {
		j.Log.Info("build " + b.UUID + " succeeded")
	} else {
		j.Log.Info("build "+b.UUID+" failed", "reason", out.result.Reason)
	}
	return nil
}

// report insists, in a context that ends only after the grace time.
func (a *Agent) report(what string, do func(context.Context) error) error {
	return a.insist(a.work, what, do)
}

// now is the time of a result.
func now() time.Time { return time.Now().UTC() }
