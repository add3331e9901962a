package hooks

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

var _ Outbox = (*coordinator.Coordinator)(nil)

// A hook on a real coordinator and database, which fails, is retried by
// somebody, and lives through a restart.
func TestTheRunnerOnACoordinator(t *testing.T) {
	f := coordinatortest.Open(t)
	var heard []daemon.Event // owned by the test while nothing runs
	var mended atomic.Bool
	r := newRunner(1, map[string]tellFunc{"h": func(_ context.Context, he daemon.HookEvent) error {
		var e daemon.Event
		if err := json.Unmarshal(he.Arguments, &e); err != nil {
			t.Error(err)
		}
		if !mended.Load() && e.Name == daemon.BuildStarted {
			return refuse("not this one")
		}
		heard = append(heard, e)
		return nil
	}})
	wanted := func(string) []string { return []string{"h"} }
	f.Configure(coordinator.Settings{Hooks: wanted})
	events := func(parked bool) []daemon.HookEvent {
		t.Helper()
		list, err := f.HookEvents(t.Context(), 0, parked, 100)
		f.Must(err)
		return list
	}
	settled := func() bool { return len(events(false)) == 0 }

	drv := f.Derivation("hello")
	uuid := f.Added(drv)
	f.Restart() // the event waits in the database
	f.Configure(coordinator.Settings{Hooks: wanted})
	stop := run(t, r, f.Coordinator)
	agent, _ := f.Joined("bedok")
	f.Given(agent, 1)
	f.Must(f.ReportStart(t.Context(), agent, uuid))
	f.Ended(agent, uuid, false)
	eventually(t, "the outbox has only what is parked", settled)
	if parked := events(true); len(parked) != 1 || parked[0].Event != daemon.BuildStarted || parked[0].Error != "not this one" {
		t.Errorf("got %+v parked, want the start", parked)
	}
	mended.Store(true)
	_, err := f.RetryHooks(t.Context(), 0)
	f.Must(err)
	eventually(t, "the outbox is empty", func() bool { return settled() && len(events(true)) == 0 })
	stop()

	var names []string
	for _, e := range heard {
		names = append(names, e.Name)
		if e.Build != uuid || e.Derivation != drv || !e.Time.Equal(f.Clock.Now()) {
			t.Errorf("heard %+v, want build %s of %s at %v", e, uuid, drv, f.Clock.Now())
		}
	}
	if want := []string{daemon.BuildSubmitted, daemon.BuildFailure, daemon.BuildStarted}; !slices.Equal(names, want) {
		t.Errorf("heard %q, want %q", names, want)
	}
}

// A long outbox is worked off in little time.
func TestManyEventsOnACoordinator(t *testing.T) {
	f := coordinatortest.Open(t)
	f.Exec(`INSERT INTO unprocessed_hook_events (hook, event, subject, arguments, created_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
		SELECT 'h', 'build-started', 'build ' || i % 1000, '{}', '2025-08-13T00:00:00Z' FROM n`)
	var told atomic.Int32
	r := newRunner(8, map[string]tellFunc{"h": func(context.Context, daemon.HookEvent) error { told.Add(1); return nil }})
	began := time.Now()
	stop := run(t, r, f.Coordinator)
	eventually(t, "all are told", func() bool {
		list, err := f.HookEvents(t.Context(), 0, false, 1)
		f.Must(err)
		return len(list) == 0
	})
	stop()
	t.Logf("%.0f events/s", float64(told.Load())/time.Since(began).Seconds())
	if told.Load() != 3000 {
		t.Errorf("told %d times, want 3000", told.Load())
	}
}
