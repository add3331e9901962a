package agent

import (
	"context"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A resumption delivers a result that was in the spool at the start.
type resumption struct {
	done      chan struct{}
	delivered bool // once done
}

// stillHere tells whether the build needs nobody else: its result is on its
// way, or was delivered. If the coordinator has refused it and gives us the
// build anew it is built anew.
func (r *resumption) stillHere() bool {
	select {
	case <-r.done:
		return r.delivered
	default:
		return true
	}
}

// deliverSpooled begins to deliver the results that an agent before this one
// left, whether the coordinator still believes that the builds are ours or not.
func (a *Agent) deliverSpooled() error {
	entries, err := a.spool.Entries()
	if err != nil {
		return err
	}
	a.resumed = make(map[string]*resumption)
	for _, e := range entries {
		if e.Result == nil {
			a.unfinished = append(a.unfinished, e)
			continue
		}
		r := &resumption{done: make(chan struct{})}
		a.resumed[e.Build.UUID] = r
		a.builds.Go(func() {
			defer close(r.done)
			j := &job{Agent: a, b: e.Build, entry: e}
			err := j.openLog(e.OldLog)
			if err == nil {
				a.Log.Info("the result of build " + e.Build.UUID + " is in the spool; delivering it")
				err = j.deliver(outcome{result: *e.Result})
			}
			r.delivered = err == nil
			j.end(err)
		})
	}
	return nil
}

// forgetUnfinished clears away what an agent before this one had begun and is
// not among the builds that are ours.
func (a *Agent) forgetUnfinished(ours []daemon.Allocation) {
	for _, e := range a.unfinished {
		if slices.ContainsFunc(ours, func(b daemon.Allocation) bool { return b.UUID == e.Build.UUID }) {
			continue
		}
		a.Log.Info("build " + e.Build.UUID + " is not ours any more")
		if err := e.Remove(); err != nil {
			a.Log.Error("cannot tidy up after build "+e.Build.UUID, "err", err)
		}
	}
	a.unfinished = nil
}

// alreadyBuilt finds out whether the daemon has finished the build without our
// hearing of it: there were no outputs when it began, and now all are there.
func (j *job) alreadyBuilt(ctx context.Context) (out outcome, built bool, err error) {
	if !j.entry.Fresh || len(j.entry.Outputs) == 0 {
		return out, false, nil
	}
	conn, err := guixdaemon.Dial(ctx, j.Daemon)
	if err != nil {
		return out, false, err
	}
	defer j.letGo(conn)
	var paths []storepath.Path
	for _, o := range j.entry.Outputs {
		if err := conn.AddTempRoot(ctx, o.Path); err != nil {
			return out, false, err
		}
		paths = append(paths, o.Path)
	}
	valid, err := conn.QueryValidPaths(ctx, paths)
	if err != nil || len(valid) < len(paths) {
		return out, false, err
	}
	if err := j.keepOutputs(ctx, conn); err != nil {
		return out, false, err
	}
	outputs, err := describe(ctx, conn, j.entry.Outputs)
	if err != nil {
		return out, false, err
	}
	j.stop()
	if err := j.openLog(j.entry.OldLog); err != nil {
		return out, false, err
	}
	if err := j.completeLog(); err != nil {
		j.Log.Warn("the log of build "+j.b.UUID+" has only what came before the agent was killed", "err", err)
	}
	j.Log.Info("build " + j.b.UUID + " was finished by guix-daemon meanwhile")
	return outcome{result: daemon.Result{Success: true, Ended: now(), Outputs: outputs}}, true, nil
}
