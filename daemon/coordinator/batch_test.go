package coordinator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/datastore"

	"github.com/google/go-cmp/cmp"
)

// idle is a coordinator with nothing to do, so that the test can stand in for
// its writer.
func idle(t *testing.T) *Coordinator {
	t.Helper()
	store, err := datastore.Open(t.Context(), filepath.Join(t.TempDir(), "tbfg.db"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// together does changes in one commit and returns their errors.
func together(c *Coordinator, changes ...func(*change) error) []error {
	batch := make([]*request, len(changes))
	for i, do := range changes {
		batch[i] = &request{ctx: context.Background(), do: do, err: make(chan error, 1)}
	}
	c.commit(batch)
	errs := make([]error, len(batch))
	for i, r := range batch {
		errs[i] = <-r.err
	}
	return errs
}

// story makes changes that each add an agent and note what becomes of them.
type story struct{ events []string }

func (s *story) add(id string, err error) func(*change) error {
	return func(ch *change) error {
		ch.then = append(ch.then, func() { s.events = append(s.events, id+" done") })
		ch.undo = append(ch.undo, func() { s.events = append(s.events, id+" undone") })
		return errors.Join(ch.InsertAgent(ch.ctx, id, "", ""), err)
	}
}

func agentIDs(t *testing.T, c *Coordinator) (ids []string) {
	t.Helper()
	agents, err := c.Store.Agents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		ids = append(ids, a.ID)
	}
	return ids
}

func TestABadChangeInABatchFailsAlone(t *testing.T) {
	c := idle(t)
	broken := errors.New("broken")
	var s story
	errs := together(c, s.add("a", nil), s.add("b", broken), s.add("a", nil), s.add("c", nil))
	if errs[0] != nil || !errors.Is(errs[1], broken) || errs[2] == nil || errs[3] != nil {
		t.Errorf("got the errors %v, want them of the second and the third", errs)
	}
	if diff := cmp.Diff([]string{"a", "c"}, agentIDs(t, c)); diff != "" {
		t.Errorf("agents (-want +got)\n%s", diff)
	}
	// Undone at once, so that the changes that follow see it; done after the commit.
	if diff := cmp.Diff([]string{"b undone", "a undone", "a done", "c done"}, s.events); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

func TestOneWhoGaveUpIsSkipped(t *testing.T) {
	c := idle(t)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	var s story
	r := &request{ctx: ctx, do: s.add("a", nil), err: make(chan error, 1)}
	c.commit([]*request{r})
	if err := <-r.err; !errors.Is(err, gone) {
		t.Errorf("got the error %v, want %v", err, gone)
	}
	if ids := agentIDs(t, c); len(ids) > 0 || len(s.events) > 0 {
		t.Errorf("got the agents %v and the events %v, want none", ids, s.events)
	}
}

// Errors such as that of a full disk end the whole transaction.
func TestAnErrorThatEndsTheTransactionFailsTheWholeBatch(t *testing.T) {
	c := idle(t)
	full := func(ch *change) error {
		return ch.InsertAgent(ch.ctx, "full", "", "")
	}
	if err := c.change(t.Context(), func(ch *change) error { return ch.InsertAgent(ch.ctx, "before", "", "") }); err != nil {
		t.Fatal(err)
	}
	outside(t, c, `CREATE TRIGGER full BEFORE INSERT ON agents WHEN new.id = 'full' BEGIN SELECT raise(ROLLBACK, 'disk full'); END`)
	var s story
	for i, err := range together(c, s.add("a", nil), full, s.add("b", nil)) {
		if err == nil {
			t.Errorf("change %d: got no error, want one", i)
		}
	}
	for _, event := range s.events {
		t.Errorf("got the event %q, want none: memory is rebuilt", event)
	}
	if c.stale {
		t.Errorf("memory was not rebuilt")
	}
	if errs := together(c, s.add("c", nil)); errs[0] != nil {
		t.Errorf("the next batch: got the error %v, want none", errs[0])
	}
}

func TestABatchIsBounded(t *testing.T) {
	c := &Coordinator{requests: make(chan *request)}
	end := make(chan struct{})
	defer close(end)
	for i := range 3 * maxBatch {
		go func() {
			select {
			case c.requests <- &request{err: make(chan error, 1), do: func(*change) error { return fmt.Errorf("request %d", i) }}:
			case <-end:
			}
		}()
	}
	for range 2 {
		if n := len(c.collect(<-c.requests)); n < 1 || n > maxBatch {
			t.Errorf("got a batch of %d, want 1 to %d", n, maxBatch)
		}
	}
}

func outside(t *testing.T, c *Coordinator, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", c.Store.File())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
