package agent

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
)

// attempt makes one attempt at a build. An error means that there is no
// outcome: the connection to the daemon was lost, or ctx has ended.
func (a *Agent) attempt(ctx context.Context, b daemon.Allocation, log io.Writer) (out outcome, err error) {
	a.phases.set(b, SettingUp)
	defer a.phases.set(b, Reporting)
	var building time.Duration
	defer func() {
		if err == nil {
			a.counters.count(out, building)
		}
	}()
	t, failure, err := a.ahead.take(ctx, b.UUID)
	if t == nil && failure == nil && err == nil {
		t, failure, err = a.setUp(ctx, b.Derivation)
	}
	if failure != nil || err != nil {
		return outcome{setup: failure}, err
	}
	defer a.letGo(t.conn)
	if failure, err := t.deleteOutputs(ctx); failure != nil || err != nil {
		return outcome{setup: failure}, err
	}
	if err := toJob(ctx, log, t.conn, t.drv); err != nil {
		return outcome{}, err
	}
	ctx, start := a.reportStart(ctx, b)
	a.phases.set(b, Building)
	a.Log.Info("build "+b.UUID+" started", "derivation", b.Derivation)
	began := time.Now()
	out, err = t.build(ctx, a.limits(b), log)
	building = time.Since(began)
	if refusal := start.settle(); refusal != nil {
		return outcome{}, refusal
	}
	return out, err
}

// letGo closes a connection whose temporary roots may be all that protects what
// was built since a garbage collection began: that ends first. Of an error
// nothing follows but that the connection is gone.
func (a *Agent) letGo(conn *guixdaemon.Conn) {
	go func() {
		defer conn.Close()
		conn.SyncWithGC(a.work)
	}()
}

// A startReport is on its way to the coordinator while the build runs.
type startReport struct {
	end  context.CancelCauseFunc // of the report
	sent chan struct{}           // closed when that is over
	err  error                   // once sent: why the coordinator refuses
}

// startPatience is how long a build that has ended waits for the report of
// its start, before it is content with the result, which says as much.
const startPatience = 5 * time.Second

// reportStart tells the coordinator that a build begins. Should that refuse,
// the build is not ours any more, and the context returned ends.
func (a *Agent) reportStart(ctx context.Context, b daemon.Allocation) (context.Context, *startReport) {
	reporting, end := context.WithCancelCause(ctx)
	building, stop := context.WithCancelCause(ctx)
	s := &startReport{end: end, sent: make(chan struct{})}
	go func() {
		defer close(s.sent)
		err := a.insist(reporting, "report a start", func(ctx context.Context) error { return a.api.ReportStart(ctx, b.UUID) })
		if err != nil && reporting.Err() == nil {
			s.err = err
			stop(err)
		}
	}()
	return building, s
}

// settle ends the report, so that nothing of it comes after the result, and
// returns the coordinator's refusal.
func (s *startReport) settle() error {
	impatience := time.AfterFunc(startPatience, func() { s.end(context.Canceled) })
	defer impatience.Stop()
	<-s.sent
	s.end(nil)
	return s.err
}

// build has the daemon build the derivation, writing the builder's output to
// log. Substitutes are off: everything needed is there, and what the farm
// says it built it must have built.
func (t *attempt) build(ctx context.Context, l limits, log io.Writer) (outcome, error) {
	err := t.conn.SetOptions(ctx, guixdaemon.Options{MaxBuildJobs: 1, PrintBuildTrace: true, MultiplexedBuildOutput: true,
		BuildCores: l.cores, Timeout: l.timeout, MaxSilentTime: l.silence})
	if err != nil {
		return outcome{}, err
	}
	var failure guixdaemon.Failure
	var said tail    // by the daemon itself
	var begun []byte // the beginning of what the builder wrote
	trace := &guixdaemon.Trace{
		BuildLog: func(_ int, p []byte) error {
			begun = append(begun, p[:min(len(p), maxBegun-len(begun))]...)
			_, err := log.Write(p)
			return err
		},
		Event: func(e guixdaemon.Event) error {
			// The first failure says most, see Event.Failure.
			if f, ok := e.Failure(); ok && failure.Reason == "" {
				failure = f
			}
			return nil
		},
		Text: func(p []byte) error {
			said.add(p)
			return nil
		},
		Plain: !t.conn.Multiplexes(),
	}
	t.conn.SetLog(trace)
	err = t.conn.Build(ctx, []string{string(t.path)}, guixdaemon.Normal)
	t.conn.SetLog(nil)
	if flushed := trace.Flush(); flushed != nil && err == nil {
		err = flushed
	}
	ended := now()
	if err != nil {
		e, ok := refused(err)
		if !ok {
			return outcome{}, err
		}
		if t.drv.System != t.Native && t.isForeign(begun) {
			if t.foreign.add(t.drv.System) {
				t.Log.Warn("the guix-daemon does not build for a system; no more such builds are asked for", "system", t.drv.System)
			}
			return outcome{setup: t.unsupported(strings.TrimSpace(e.Message))}, nil
		}
		return outcome{result: daemon.Result{Ended: ended, Reason: reason(failure, said, e)}}, nil
	}
	outputs, err := t.outputs(ctx)
	return outcome{result: daemon.Result{Success: true, Ended: ended, Outputs: outputs}}, err
}

// maxBegun is how much of a builder's output is kept to be looked at, in bytes.
const maxBegun = 1000

// isForeign tells whether the daemon could not run the builder because it is
// for another system. That is said by the process which was to become the
// builder, as the first thing in its output.
func (t *attempt) isForeign(begun []byte) bool {
	for line := range bytes.Lines(begun) {
		e, ok := guixdaemon.ParseEvent(bytes.TrimSuffix(line, []byte("\n")))
		if f, failed := e.Failure(); ok && failed && f.Reason == guixdaemon.UnsupportedPlatform && f.Item == string(t.path) {
			return true
		}
	}
	return false
}

// reason says why a build failed. The daemon's own words, such as "builder for
// `…' failed with exit code 3", tell more than the error that ends the
// operation.
func reason(f guixdaemon.Failure, said tail, e *guixdaemon.Error) string {
	words := strings.TrimSpace(string(said))
	if words == "" {
		words = e.Message
	}
	if f.Reason == guixdaemon.HashMismatch {
		words += "\n" + f.Text // only the trace has the hashes
	}
	if f.Reason == guixdaemon.BuildTimedOut || e.Status == guixdaemon.StatusTimeout {
		words = "timeout: " + words
	}
	return words
}

// tail is the end of a text.
type tail []byte

const maxTail = 1000 // bytes

func (t *tail) add(p []byte) {
	*t = append(*t, p...)
	if over := len(*t) - maxTail; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
}

// outputs describes what was built as the daemon's database does.
func (t *attempt) outputs(ctx context.Context) ([]daemon.Output, error) {
	var outputs []daemon.Output
	for _, o := range t.drv.Outputs {
		outputs = append(outputs, daemon.Output{Name: o.Name, Path: o.Path})
	}
	return describe(ctx, t.conn, outputs)
}
