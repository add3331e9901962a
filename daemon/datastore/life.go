package datastore

import (
	"context"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// What happens to a build, each step a few rows.

// Allocate gives a build to an agent.
func (t *Tx) Allocate(ctx context.Context, build int64, agent string) error {
	_, err := t.stmts.exec(ctx, "allocation_insert", build, agent)
	return err
}

// Release takes a build from the agent that holds it.
func (t *Tx) Release(ctx context.Context, build int64) error {
	_, err := t.stmts.exec(ctx, "allocation_delete", build)
	return err
}

// Start records that the agent that holds a build began to build it.
func (t *Tx) Start(ctx context.Context, build int64, s daemon.Start) error {
	if _, err := t.stmts.exec(ctx, "allocation_started", build); err != nil {
		return err
	}
	_, err := t.stmts.exec(ctx, "start_insert", build, s.Agent, timeValue(s.Time))
	return err
}

// Finish records the result of a build.
func (t *Tx) Finish(ctx context.Context, b BuildRow, agent string, r daemon.Result) error {
	result := "failure"
	if r.Success {
		result = "success"
	}
	if _, err := t.stmts.exec(ctx, "result_insert", b.ID, agent, result, textValue(r.Reason)); err != nil {
		return err
	}
	if _, err := t.stmts.exec(ctx, "build_end", b.ID, timeValue(r.Ended)); err != nil {
		return err
	}
	for _, o := range r.Outputs {
		bases := make([]string, len(o.References))
		for i, ref := range o.References {
			bases[i] = ref.Base()
		}
		n, err := t.stmts.exec(ctx, "output_metadata_insert", b.ID, b.DerivationID, o.Name, o.Hash, o.Size, strings.Join(bases, " "))
		if err != nil {
			return err
		}
		if n == 0 {
			return daemon.Errorf(daemon.Invalid, "result of build %s: %s has no output %q", b.UUID, b.Derivation, o.Name)
		}
	}
	return t.Release(ctx, b.ID)
}

// FailSetup records a setup failure; the build goes back to the queue and
// must not start before notBefore.
func (t *Tx) FailSetup(ctx context.Context, build int64, f daemon.SetupFailure, notBefore time.Time) error {
	id, err := t.stmts.insert(ctx, "setup_failure_insert", build, f.Agent, f.Reason, timeValue(f.Time))
	if err != nil {
		return err
	}
	for _, path := range f.MissingInputs {
		if _, err := t.stmts.exec(ctx, "setup_failure_missing_input_insert", id, string(path)); err != nil {
			return err
		}
	}
	if _, err := t.stmts.exec(ctx, "build_defer", build, timeValue(notBefore)); err != nil {
		return err
	}
	return t.Release(ctx, build)
}

// SetupFailureCount is how often the setup of a build failed.
func (q Queries) SetupFailureCount(ctx context.Context, build int64) (n int, err error) {
	_, err = q.stmts.row(ctx, "build_setup_failure_count", []any{build}, &n)
	return n, err
}
