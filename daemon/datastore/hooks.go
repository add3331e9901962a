package datastore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// InsertHookEvent puts an event into the outbox for a hook.
func (t *Tx) InsertHookEvent(ctx context.Context, hook string, e daemon.Event) error {
	arguments, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = t.stmts.exec(ctx, "hook_event_insert", hook, e.Name, e.Subject(), string(arguments), timeValue(e.Time))
	return err
}

// HookEvents are the events in the outbox after a row, oldest first, parked or
// not, and at most limit of them.
func (q Queries) HookEvents(ctx context.Context, after int64, parked bool, limit int) ([]daemon.HookEvent, error) {
	var events []daemon.HookEvent
	err := q.stmts.each(ctx, "hook_events", []any{after, parked, limit}, func(rows *sql.Rows) error {
		var e daemon.HookEvent
		var created, notBefore, text sql.NullString
		err := rows.Scan(&e.ID, &e.Hook, &e.Event, &e.Subject, &e.Arguments, &created, &e.Attempts, &notBefore, &e.Parked, &text)
		e.Created, e.NotBefore, e.Error = parseTime(created), parseTime(notBefore), text.String
		events = append(events, e)
		return err
	})
	return events, err
}

// maxCounted bounds how much of the outbox is counted.
const maxCounted = 10_000

// CountHookEvents counts the oldest events in the outbox by name.
func (q Queries) CountHookEvents(ctx context.Context) (waiting, parked map[string]int, err error) {
	waiting, parked = make(map[string]int), make(map[string]int)
	err = q.stmts.each(ctx, "hook_event_names", []any{maxCounted}, func(rows *sql.Rows) error {
		var event string
		var given bool
		err := rows.Scan(&event, &given)
		if given {
			parked[event]++
		} else {
			waiting[event]++
		}
		return err
	})
	return waiting, parked, err
}

// DeleteHookEvent takes an event out of the outbox: its hook has been told.
func (t *Tx) DeleteHookEvent(ctx context.Context, id int64) error {
	_, err := t.stmts.exec(ctx, "hook_event_delete", id)
	return err
}

// FailHookEvent records that a hook failed on an event.
func (t *Tx) FailHookEvent(ctx context.Context, id int64, text string, notBefore time.Time, park bool) error {
	_, err := t.stmts.exec(ctx, "hook_event_failed", id, text, timeValue(notBefore), park)
	return err
}

// RetryHookEvents takes up a parked event again, or all of them if id is zero,
// and returns how many.
func (t *Tx) RetryHookEvents(ctx context.Context, id int64) (int64, error) {
	var which any
	if id != 0 {
		which = id
	}
	return t.stmts.exec(ctx, "hook_event_retry", which)
}
