package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// What happens to a build, each step a few rows.

// ErrEnded says that a build has ended and nobody can have it.
var ErrEnded = errors.New("the build has ended")

// Allocate gives a build to an agent. If the build has ended, also in the same
// transaction, nothing is done and the error is ErrEnded.
func (t *Tx) Allocate(ctx context.Context, build int64, agent string) error {
	n, err := t.stmts.exec(ctx, "allocation_insert", build, agent)
	if err == nil && n == 0 {
		err = ErrEnded
	}
	return err
}

// Release takes a build from the agent that holds it.
func (t *Tx) Release(ctx context.Context, build int64) error {
	_, err := t.stmts.exec(ctx, "allocation_delete", build)
	return err
}

// HandBack takes a build from the agent that holds it, because it says so.
func (t *Tx) HandBack(ctx context.Context, build int64, agent string) error {
	if _, err := t.stmts.exec(ctx, "released_allocation_insert", build, agent); err != nil {
		return err
	}
	return t.Release(ctx, build)
}

// HandedBack tells whether an agent once handed a build back.
func (q Queries) HandedBack(ctx context.Context, build int64, agent string) (did bool, err error) {
	_, err = q.stmts.row(ctx, "released_allocation", []any{build, agent}, &did)
	return did, err
}

// Start records that the agent that holds a build began to build it.
func (t *Tx) Start(ctx context.Context, build int64, s daemon.Start) error {
	if _, err := t.stmts.exec(ctx, "allocation_started", build); err != nil {
		return err
	}
	_, err := t.stmts.exec(ctx, "start_insert", build, s.Agent, timeValue(s.Time))
	return err
}

// Finish records the result of a build, which is nobody's if agent is empty.
func (t *Tx) Finish(ctx context.Context, b BuildRow, agent string, r daemon.Result) error {
	result := "failure"
	if r.Success {
		result = "success"
	}
	if _, err := t.stmts.exec(ctx, "result_insert", b.ID, textValue(agent), result, textValue(r.Reason)); err != nil {
		return err
	}
	if _, err := t.stmts.exec(ctx, "build_end", b.ID, timeValue(r.Ended)); err != nil {
		return err
	}
	if err := t.knowOutputs(ctx, b, r.Success); err != nil {
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

// knowOutputs keeps what a build came to with the outputs that it makes.
func (t *Tx) knowOutputs(ctx context.Context, b BuildRow, success bool) error {
	makes, err := t.Makes(ctx, b.DerivationID)
	if err != nil {
		return err
	}
	for _, output := range makes {
		query, args := "output_failed", []any{output, b.ID}
		if success {
			query, args = "output_built", []any{output}
		}
		if _, err := t.stmts.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// FailSetup records a setup failure; the build goes back to the queue and
// must not start before notBefore.
func (t *Tx) FailSetup(ctx context.Context, build int64, f daemon.SetupFailure, notBefore time.Time) error {
	id, err := t.stmts.insert(ctx, "setup_failure_insert", build, f.Agent, f.Reason, timeValue(f.Time), f.Details)
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

// LastSetupFailure is the reason of the last setup failure of a build that an
// agent reported; empty if there is none.
func (q Queries) LastSetupFailure(ctx context.Context, build int64, agent string) (reason string, err error) {
	_, err = q.stmts.row(ctx, "last_setup_failure", []any{build, agent}, &reason)
	return reason, err
}

// SetupFailureCount is how often the setup of a build failed, and how often
// for other reasons than missing inputs.
func (q Queries) SetupFailureCount(ctx context.Context, build int64) (all, others int, err error) {
	_, err = q.stmts.row(ctx, "build_setup_failure_count", []any{build, daemon.MissingInputs}, &all, &others)
	return all, others, err
}

// Lose takes a build from an agent that does not report any more.
func (t *Tx) Lose(ctx context.Context, build int64, agent string, at time.Time) error {
	if _, err := t.stmts.exec(ctx, "lost_allocation_insert", build, agent, timeValue(at)); err != nil {
		return err
	}
	return t.Release(ctx, build)
}

// Losses is how often a build was taken from agents, and how often from this
// one.
func (q Queries) Losses(ctx context.Context, build int64, agent string) (all, its int, err error) {
	_, err = q.stmts.row(ctx, "lost_allocations", []any{build, agent}, &all, &its)
	return all, its, err
}

// Defer keeps a build from being handed out before a time.
func (t *Tx) Defer(ctx context.Context, build int64, notBefore time.Time) error {
	_, err := t.stmts.exec(ctx, "build_defer", build, timeValue(notBefore))
	return err
}

// Cancel marks a build as canceled and takes it from its agent. Graphs may not
// be complete any more, see InputsWithoutBuild.
func (t *Tx) Cancel(ctx context.Context, build int64, at time.Time) error {
	if _, err := t.stmts.exec(ctx, "build_cancel", build, timeValue(at)); err != nil {
		return err
	}
	if _, err := t.stmts.exec(ctx, "complete_graphs_delete"); err != nil {
		return err
	}
	return t.Release(ctx, build)
}

// SetPriority changes a build's own priority.
func (t *Tx) SetPriority(ctx context.Context, build, priority int64) error {
	_, err := t.stmts.exec(ctx, "build_priority", build, priority)
	return err
}

// LoseOutput records that an agent cannot get an output.
func (t *Tx) LoseOutput(ctx context.Context, output int64) error {
	_, err := t.stmts.exec(ctx, "output_lost", output)
	return err
}

// NewestFixedOutput is the newest of some builds whose derivation states what
// it makes; found is false if none does.
func (q Queries) NewestFixedOutput(ctx context.Context, builds []int64) (uuid string, found bool, err error) {
	list, err := json.Marshal(builds)
	if err != nil {
		return "", false, err
	}
	found, err = q.stmts.row(ctx, "newest_fixed_output", []any{string(list)}, &uuid)
	return uuid, found, err
}

// A Maker is a derivation that makes an output.
type Maker struct {
	Output     int64
	Derivation DerivationRef
	Unfinished bool // it has an unfinished build
}

// Makers are the derivations that make the store item with a path, the one
// that was stored last first.
func (q Queries) Makers(ctx context.Context, output storepath.Path) ([]Maker, error) {
	var makers []Maker
	err := q.stmts.each(ctx, "output_makers", []any{string(output)}, func(rows *sql.Rows) error {
		var m Maker
		err := rows.Scan(&m.Output, &m.Derivation.ID, &m.Derivation.Path, &m.Unfinished)
		makers = append(makers, m)
		return err
	})
	return makers, err
}

// BuildsSince is how many builds of a derivation were submitted since a time.
func (q Queries) BuildsSince(ctx context.Context, derivation int64, since time.Time) (n int, err error) {
	_, err = q.stmts.row(ctx, "builds_since", []any{derivation, timeValue(since)}, &n)
	return n, err
}

// FailuresInARow is how many builds of a derivation failed since one
// succeeded.
func (q Queries) FailuresInARow(ctx context.Context, derivation int64) (n int, err error) {
	_, err = q.stmts.row(ctx, "failures_in_a_row", []any{derivation}, &n)
	return n, err
}
