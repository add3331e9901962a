package agent

import (
	"context"
	"errors"
	"fmt"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A job is a build in our hands, with its part of the spool. It is the writer
// of what the builder writes.
type job struct {
	*Agent
	b     daemon.Allocation
	entry *spool.Entry // nil until open
	log   *spool.Log   // nil until there is one

	sent     chan error         // how the delivery of the log ended; nil before it begins
	stopSend context.CancelFunc // ends it
}

// open finds or makes the build's part of the spool.
func (j *job) open() (err error) {
	if j.entry == nil {
		j.entry, err = j.spool.Make(j.b)
	}
	return err
}

// begin forgets all earlier attempts.
func (j *job) begin() error {
	j.stop()
	j.entry.Record = spool.Record{Build: j.b}
	if err := j.entry.DropRoots(); err != nil { // or the outputs could not be deleted
		return err
	}
	return j.openLog(j.entry.NewLog)
}

func (j *job) openLog(open func(limit int64) (*spool.Log, error)) (err error) {
	j.log, err = open(j.current.Load().MaxLogSize)
	return err
}

// Write adds to the log.
func (j *job) Write(p []byte) (int, error) { return j.log.Write(p) }

// begun is called when everything is there and the daemon is about to build.
// From then on a killed agent knows what it did.
func (j *job) begun(ctx context.Context, conn *guixdaemon.Conn, drv *derivation.Derivation) error {
	var paths []storepath.Path
	for _, o := range drv.Outputs {
		if err := daemon.CheckOutputName(o.Name); err != nil {
			return err
		}
		j.entry.Outputs = append(j.entry.Outputs, daemon.Output{Name: o.Name, Path: o.Path})
		paths = append(paths, o.Path)
	}
	valid, err := conn.QueryValidPaths(ctx, paths)
	if err != nil {
		return err
	}
	j.entry.Fresh = len(valid) == 0
	if err := j.keepOutputs(ctx, conn); err != nil {
		return err
	}
	// A machine that lost power has no builder, and the build begins anew.
	if err := j.entry.Note(); err != nil {
		return err
	}
	j.send(false)
	return nil
}

// keepOutputs protects the outputs from the garbage collector until they are
// delivered, should the coordinator want them. They need not be there yet.
func (j *job) keepOutputs(ctx context.Context, conn *guixdaemon.Conn) error {
	if !j.b.KeepOutput {
		return nil
	}
	for _, o := range j.entry.Outputs {
		file, err := j.entry.Root(o)
		if err != nil {
			return err
		}
		if err := conn.AddTempRoot(ctx, o.Path); err != nil {
			return err
		}
		if err := conn.AddIndirectRoot(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// record puts an outcome on the disk: from then on it is only delivered. That
// this fails is no reason not to.
func (j *job) record(out outcome) {
	if out.setup != nil {
		return // found out once more if need be
	}
	j.entry.Result = &out.result
	if err := j.entry.Save(); err != nil {
		j.Log.Error("the result of build "+j.b.UUID+" will be lost if the agent ends before the coordinator has it", "err", err)
	}
}

// send begins to deliver the log. With resume the coordinator may have some of
// it.
func (j *job) send(resume bool) {
	ctx, cancel := context.WithCancel(j.work)
	sent := make(chan error, 1)
	j.sent, j.stopSend = sent, cancel
	go func() { sent <- j.courier.Log(ctx, j.entry, j.log, resume) }()
}

// deliverLog waits until the coordinator has the log.
func (j *job) deliverLog() error {
	j.log.End()
	if j.sent == nil {
		j.send(true)
	}
	err := <-j.sent
	j.sent <- err // for stop
	return err
}

// stop ends the use of the log.
func (j *job) stop() {
	if j.sent != nil {
		j.stopSend()
		<-j.sent
		j.sent = nil
	}
	if j.log != nil {
		j.log.Close()
		j.log = nil
	}
}

// end forgets the job, unless its result still has to be delivered, and says
// what came of it.
func (j *job) end(err error) {
	j.stop()
	var refused *wire.StatusError
	switch {
	case err == nil:
	case errors.Is(err, errGone):
		j.Log.Info("build "+j.b.UUID+" stopped", "err", err)
	case errors.As(err, &refused):
		// It is not ours any more, or not wanted.
		j.Log.Warn("build "+j.b.UUID+" given up: the coordinator refuses what is reported on it", "err", err)
	case j.entry != nil && j.entry.Result != nil:
		j.Log.Info("the result of build "+j.b.UUID+" is delivered when the agent runs again", "err", err)
		return
	default:
		j.Log.Info("build "+j.b.UUID+" given up", "err", err)
		j.release(j.b.UUID)
	}
	if j.entry == nil {
		return
	}
	if err := errors.Join(j.entry.DropRoots(), j.entry.Remove()); err != nil {
		j.Log.Error("cannot tidy up after build "+j.b.UUID, "err", err)
	}
}

// toJob tells the job, if one writes the log, that the daemon is about to
// build.
func toJob(ctx context.Context, log any, conn *guixdaemon.Conn, drv *derivation.Derivation) error {
	if j, ok := log.(*job); ok {
		if err := j.begun(ctx, conn, drv); err != nil {
			return fmt.Errorf("prepare the build: %w", err)
		}
	}
	return nil
}
