package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// An attempt is one attempt at a build on one connection to the daemon, whose
// temporary roots protect everything in use.
type attempt struct {
	*Agent
	set  *current // settings, when it began
	conn *guixdaemon.Conn
	path storepath.Path
	drv  *derivation.Derivation
}

// setUp has all that the build of a derivation needs made valid. It changes
// nothing that others may use, so it can be done before the build's turn
// comes. The caller closes the attempt's connection.
func (a *Agent) setUp(ctx context.Context, path storepath.Path) (*attempt, *daemon.SetupFailure, error) {
	conn, err := guixdaemon.Dial(ctx, a.Daemon)
	if err != nil {
		return nil, nil, err
	}
	t := &attempt{Agent: a, set: a.current.Load(), conn: conn, path: path}
	failure, err := t.getDerivation(ctx)
	if failure == nil && err == nil {
		failure, err = t.getInputs(ctx)
	}
	if failure != nil || err != nil {
		conn.Close()
		return nil, failure, err
	}
	return t, nil, nil
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
	if valid, err := t.conn.IsValidPath(ctx, t.path); err != nil {
		return nil, err
	} else if !valid {
		missing, details, err := t.fetch(ctx, t.set.derivations, []storepath.Path{t.path})
		if err != nil {
			return nil, err
		}
		if missing != nil {
			t.Log.Warn("cannot get a derivation", "derivation", t.path, "from", t.set.DerivationURLs)
			return &daemon.SetupFailure{Reason: daemon.CouldNotFetch, MissingInputs: missing, Details: details}, nil
		}
	}
	drv, err := readDerivation(t.path)
	if err != nil {
		t.Log.Warn("cannot read a derivation", "derivation", t.path, "err", err)
		return &daemon.SetupFailure{Reason: daemon.CouldNotFetch, MissingInputs: []storepath.Path{t.path}}, nil
	}
	t.drv = drv
	switch {
	case !slices.Contains(t.set.Systems, drv.System):
		return t.unsupported("this agent builds for " + fmt.Sprint(t.set.Systems)), nil
	case t.foreign.has(drv.System):
		return t.unsupported("the guix-daemon of this machine does not build for it"), nil
	}
	return nil, nil
}

func (t *attempt) unsupported(why string) *daemon.SetupFailure {
	t.Log.Warn("not a system that can be built for here", "derivation", t.path, "system", t.drv.System, "why", why)
	return &daemon.SetupFailure{Reason: daemon.UnsupportedPlatform, Details: "it is for " + t.drv.System + "; " + why}
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

// getInputs has the daemon fetch the inputs that are not there, side by side.
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
	absent := slices.DeleteFunc(inputs, func(path storepath.Path) bool { return slices.Contains(valid, path) })
	missing, details, err := t.fetch(ctx, t.set.others, absent)
	if missing == nil {
		return nil, err
	}
	return &daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: missing, Details: details}, nil
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
	if t.set.AllowExisting {
		return nil, nil
	}
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
		return &daemon.SetupFailure{Reason: daemon.CouldNotDelete, Details: e.Message}, nil
	}
	return nil, nil
}
