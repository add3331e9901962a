package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// attempt is one attempt at a build on one connection to the daemon, whose
// temporary roots protect everything in use. An error means that there is no
// outcome: the connection was lost, or ctx has ended.
func (a *Agent) attempt(ctx context.Context, b daemon.Allocation, log io.Writer) (outcome, error) {
	conn, err := guixdaemon.Dial(ctx, a.Daemon)
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	t := &attempt{Agent: a, conn: conn, path: b.Derivation}
	for _, step := range []func(context.Context) (*daemon.SetupFailure, error){
		t.getDerivation, t.getInputs, t.deleteOutputs,
	} {
		if failure, err := step(ctx); failure != nil || err != nil {
			return outcome{setup: failure}, err
		}
	}
	if err := toJob(ctx, log, conn, t.drv); err != nil {
		return outcome{}, err
	}
	err = a.insist(ctx, "report a start", func(ctx context.Context) error { return a.api.ReportStart(ctx, b.UUID) })
	if err != nil {
		return outcome{}, err
	}
	a.Log.Info("build "+b.UUID+" started", "derivation", b.Derivation)
	return t.build(ctx, log)
}

type attempt struct {
	*Agent
	conn *guixdaemon.Conn
	path storepath.Path
	drv  *derivation.Derivation
}

// refused tells whether the daemon understood and said no; other errors are
// of the connection.
func refused(err error) (*guixdaemon.Error, bool) {
	var e *guixdaemon.Error
	return e, errors.As(err, &e)
}

// getDerivation has the daemon fetch the derivation, if need be, with the
// derivations that it refers to, and reads it.
func (t *attempt) getDerivation(ctx context.Context) (*daemon.SetupFailure, error) {
	if err := t.conn.AddTempRoot(ctx, t.path); err != nil {
		return nil, err
	}
	if err := t.fetchDerivation(ctx); err != nil {
		e, ok := refused(err)
		if !ok {
			return nil, err
		}
		t.Log.Warn("cannot get a derivation", "derivation", t.path, "from", t.DerivationURLs, "err", e)
		return &daemon.SetupFailure{Reason: daemon.CouldNotFetch, MissingInputs: []storepath.Path{t.path}}, nil
	}
	drv, err := readDerivation(t.path)
	if err != nil {
		t.Log.Warn("cannot read a derivation", "derivation", t.path, "err", err)
		return &daemon.SetupFailure{Reason: daemon.CouldNotFetch, MissingInputs: []storepath.Path{t.path}}, nil
	}
	t.drv = drv
	if !slices.Contains(t.Systems, drv.System) {
		t.Log.Warn("not a system that this agent builds for", "derivation", t.path, "system", drv.System)
		return &daemon.SetupFailure{Reason: daemon.UnsupportedPlatform}, nil
	}
	return nil, nil
}

// fetchDerivation makes the derivation valid. A connection of the daemon's
// keeps to the substitute servers that it first used, whatever it is told
// later, and ours will need those for inputs: so this takes another.
func (t *attempt) fetchDerivation(ctx context.Context) error {
	if valid, err := t.conn.IsValidPath(ctx, t.path); valid || err != nil {
		return err
	}
	conn, err := guixdaemon.Dial(ctx, t.Daemon)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := substituteFrom(ctx, conn, t.DerivationURLs); err != nil {
		return err
	}
	return conn.EnsurePath(ctx, t.path)
}

func substituteFrom(ctx context.Context, conn *guixdaemon.Conn, urls []string) error {
	return conn.SetOptions(ctx, guixdaemon.Options{UseSubstitutes: true, SubstituteURLs: urls})
}

func readDerivation(path storepath.Path) (*derivation.Derivation, error) {
	text, err := os.ReadFile(string(path))
	if err != nil {
		return nil, err
	}
	drv, err := derivation.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return drv, nil
}

// getInputs has the daemon fetch the inputs that are not there.
func (t *attempt) getInputs(ctx context.Context) (*daemon.SetupFailure, error) {
	inputs, err := t.inputs()
	if err != nil {
		return nil, err
	}
	for _, path := range inputs {
		if err := t.conn.AddTempRoot(ctx, path); err != nil {
			return nil, err
		}
	}
	valid, err := t.conn.QueryValidPaths(ctx, inputs)
	if err != nil || len(valid) == len(inputs) {
		return nil, err
	}
	if err := substituteFrom(ctx, t.conn, t.InputURLs); err != nil {
		return nil, err
	}
	there := make(map[storepath.Path]bool, len(valid))
	for _, path := range valid {
		there[path] = true
	}
	var missing []storepath.Path
	for _, path := range inputs {
		if there[path] {
			continue
		}
		if err := t.conn.EnsurePath(ctx, path); err != nil {
			e, ok := refused(err)
			if !ok {
				return nil, err
			}
			t.Log.Debug("cannot get an input", "input", path, "from", t.InputURLs, "err", e)
			missing = append(missing, path)
		}
	}
	if missing != nil {
		return &daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: missing}, nil
	}
	return nil, nil
}

// inputs are the store items that the builder will find.
func (t *attempt) inputs() ([]storepath.Path, error) {
	inputs := slices.Clone(t.drv.Sources)
	for _, in := range t.drv.Inputs {
		drv, err := readDerivation(in.Path)
		if err != nil {
			return nil, err
		}
		for _, o := range drv.Outputs {
			if slices.Contains(in.Outputs, o.Name) {
				inputs = append(inputs, o.Path)
			}
		}
	}
	slices.Sort(inputs)
	return slices.Compact(inputs), nil
}

// deleteOutputs deletes outputs that are there already, so that the farm
// really builds and what it reports is its own.
func (t *attempt) deleteOutputs(ctx context.Context) (*daemon.SetupFailure, error) {
	outputs := make([]storepath.Path, len(t.drv.Outputs))
	for i, o := range t.drv.Outputs {
		outputs[i] = o.Path
	}
	valid, err := t.conn.QueryValidPaths(ctx, outputs)
	if err != nil || len(valid) == 0 {
		return nil, err
	}
	if _, err := t.conn.DeletePaths(ctx, valid); err != nil {
		e, ok := refused(err)
		if !ok {
			return nil, err
		}
		t.Log.Warn("cannot delete an output that is there already", "derivation", t.path, "err", e)
		return &daemon.SetupFailure{Reason: daemon.CouldNotDelete}, nil
	}
	return nil, nil
}

// build has the daemon build the derivation, writing the builder's output to
// log. Substitutes are off: everything needed is there, and what the farm
// says it built it must have built.
func (t *attempt) build(ctx context.Context, log io.Writer) (outcome, error) {
	err := t.conn.SetOptions(ctx, guixdaemon.Options{MaxBuildJobs: 1, PrintBuildTrace: true, MultiplexedBuildOutput: true})
	if err != nil {
		return outcome{}, err
	}
	var failure guixdaemon.Failure
	var said tail // by the daemon itself
	trace := &guixdaemon.Trace{
		BuildLog: func(_ int, p []byte) error {
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
		return outcome{result: daemon.Result{Ended: ended, Reason: reason(failure, said, e)}}, nil
	}
	outputs, err := t.outputs(ctx)
	return outcome{result: daemon.Result{Success: true, Ended: ended, Outputs: outputs}}, err
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
