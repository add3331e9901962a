package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// InsertEvent adds an event to the stream.
func (t *Tx) InsertEvent(ctx context.Context, e daemon.Event) error {
	at := e.Time.Unix()
	e.Time = time.Time{} // it has a column
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = t.stmts.exec(ctx, "event_insert", at, string(text))
	return err
}

// Events are at most limit events of the stream after an id.
func (q Queries) Events(ctx context.Context, after int64, limit int) ([]daemon.Event, error) {
	var events []daemon.Event
	err := q.stmts.each(ctx, "events", []any{after, limit}, func(rows *sql.Rows) error {
		var id, at int64
		var text []byte
		if err := rows.Scan(&id, &at, &text); err != nil {
			return err
		}
		var e daemon.Event
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("decode event %d: %w", id, err)
		}
		e.ID, e.Time = id, time.Unix(at, 0).UTC()
		events = append(events, e)
		return nil
	})
	return events, err
}

// LastEvent is the id of the newest event; zero if there is none.
func (q Queries) LastEvent(ctx context.Context) (int64, error) {
	var last sql.NullInt64
	_, err := q.stmts.row(ctx, "last_event", nil, &last)
	return last.Int64, err
}

// FirstEvent is the id and time of the oldest event that is kept; zero if there
// is none.
func (q Queries) FirstEvent(ctx context.Context) (id int64, at time.Time, err error) {
	var seconds int64
	found, err := q.stmts.row(ctx, "first_event", nil, &id, &seconds)
	if !found || err != nil {
		return 0, time.Time{}, err
	}
	return id, time.Unix(seconds, 0).UTC(), nil
}

// ForgetEvents deletes those events below an id that have no greater id than
// last or are older than a time.
func (t *Tx) ForgetEvents(ctx context.Context, below, last int64, before time.Time) error {
	_, err := t.stmts.exec(ctx, "forget_events", below, last, before.Unix())
	return err
}

// SetAgentStatus keeps an agent's report in the place of the one before.
func (t *Tx) SetAgentStatus(ctx context.Context, agent string, s daemon.AgentStatus) error {
	_, err := t.stmts.exec(ctx, "agent_status_set", agent, s.Status, s.Load1Min, s.Processors, timeValue(s.Time))
	return err
}

// SetAgentPlan keeps how many builds an agent could have.
func (t *Tx) SetAgentPlan(ctx context.Context, agent string, builds int) error {
	_, err := t.stmts.exec(ctx, "agent_plan_set", agent, builds)
	return err
}

// Picture reads agents and the last event's id as of one moment.
func (s *Store) Picture(ctx context.Context) (p daemon.Picture, err error) {
	// The driver would start a goroutine for each row that could be canceled.
	ctx = context.WithoutCancel(ctx)
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return p, fmt.Errorf("begin to read: %w", err)
	}
	q := Queries{s.stmts.in(tx), s.nodes}
	if p.ID, err = q.LastEvent(ctx); err == nil {
		p.Agents, err = q.Agents(ctx)
	}
	return p, errors.Join(err, tx.Rollback())
}
