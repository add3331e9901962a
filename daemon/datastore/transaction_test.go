package datastore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names are the names of all agents.
func names(t *testing.T, s *Store) []string {
	t.Helper()
	var names []string
	for _, a := range must(s.Agents(context.Background()))(t) {
		names = append(names, a.Name)
	}
	return names
}

var errNo = errors.New("no")

func TestUpdateTakesEffectWholeOrNotAtAll(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	err := s.Update(ctx, func(tx *Tx) error {
		if err := tx.InsertAgent(ctx, "1", "lost", ""); err != nil {
			return err
		}
		return errNo
	})
	if !errors.Is(err, errNo) {
		t.Fatalf("got %v, want the error of the function", err)
	}
	if got := names(t, s); got != nil {
		t.Fatalf("got %v, want nothing", got)
	}
	agent(t, s, "kept") // and the connection is free again
	if diff := cmp.Diff([]string{"kept"}, names(t, s)); diff != "" {
		t.Fatalf("agents (-want +got):\n%s", diff)
	}
}

// Only what somebody is told to be there has to wait for the disk, but that
// must: a power failure can't be had here, so the mode is what is looked at.
func TestUpdateWaitsForTheDiskAndUpdateSoonDoesNot(t *testing.T) {
	s := fresh(t)
	const normal, full = 1, 2
	for _, step := range []struct {
		update func(context.Context, func(*Tx) error) error
		want   int
	}{{s.Update, full}, {s.UpdateSoon, normal}, {s.UpdateSoon, normal}, {s.Update, full}, {s.UpdateSoon, normal}} {
		var mode int
		err := step.update(context.Background(), func(tx *Tx) error {
			return tx.tx.QueryRow("PRAGMA synchronous").Scan(&mode)
		})
		if err != nil || mode != step.want {
			t.Errorf("got mode %d (%v), want %d", mode, err, step.want)
		}
	}
}

func TestAPartTakesEffectAlone(t *testing.T) {
	part := func(names ...string) func(context.Context, *Tx) error {
		return func(ctx context.Context, tx *Tx) error {
			for _, name := range names {
				if name == "fails" {
					return errNo
				}
				if err := tx.InsertAgent(ctx, "agent-"+name, name, ""); err != nil {
					return err
				}
			}
			return nil
		}
	}
	tests := []struct {
		name  string
		parts []func(context.Context, *Tx) error
		want  []string
	}{
		{"the first of three fails", []func(context.Context, *Tx) error{part("a", "fails"), part("b"), part("c")}, []string{"b", "c"}},
		{"the one in the middle fails", []func(context.Context, *Tx) error{part("a"), part("b", "fails"), part("c")}, []string{"a", "c"}},
		{"the last fails", []func(context.Context, *Tx) error{part("a"), part("b"), part("c", "fails")}, []string{"a", "b"}},
		{"one violates a constraint", []func(context.Context, *Tx) error{part("a"), part("b", "a"), part("c")}, []string{"a", "c"}},
		{"all fail", []func(context.Context, *Tx) error{part("fails"), part("a", "fails")}, nil},
		{"what failed is tried again", []func(context.Context, *Tx) error{part("a", "fails"), part("a")}, []string{"a"}},
		{"a part within a part fails", []func(context.Context, *Tx) error{func(ctx context.Context, tx *Tx) error {
			if err := part("a")(ctx, tx); err != nil {
				return err
			}
			if err := tx.Part(ctx, func() error { return part("b", "fails")(ctx, tx) }); !errors.Is(err, errNo) {
				return err
			}
			return part("c")(ctx, tx)
		}}, []string{"a", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t)
			update(t, s, func(ctx context.Context, tx *Tx) error {
				for _, part := range tt.parts {
					_ = tx.Part(ctx, func() error { return part(ctx, tx) })
				}
				return nil
			})
			if diff := cmp.Diff(tt.want, names(t, s)); diff != "" {
				t.Fatalf("agents (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPartPassesItsErrorOn(t *testing.T) {
	update(t, fresh(t), func(ctx context.Context, tx *Tx) error {
		if err := tx.Part(ctx, func() error { return errNo }); err != errNo {
			t.Errorf("got %v, want the error itself", err)
		}
		return nil
	})
}

// A transaction sees its own changes; others see them after the commit.
func TestChangesAreSeenByOthersAfterTheCommit(t *testing.T) {
	s := fresh(t)
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.InsertAgent(ctx, "1", "new", ""); err != nil {
			return err
		}
		if _, found, err := tx.Agent(ctx, "1"); err != nil || !found {
			t.Errorf("inside: got %v, %v, want the agent", found, err)
		}
		if _, found, err := s.Agent(ctx, "1"); err != nil || found {
			t.Errorf("outside: got %v, %v, want no agent yet", found, err)
		}
		return nil
	})
	if _, found, err := s.Agent(context.Background(), "1"); err != nil || !found {
		t.Fatalf("afterwards: got %v, %v, want the agent", found, err)
	}
}

func TestACanceledContextStopsAnUpdate(t *testing.T) {
	s := fresh(t)
	ctx, cancel := context.WithCancel(context.Background())
	err := s.Update(ctx, func(tx *Tx) error {
		if err := tx.InsertAgent(ctx, "1", "lost", ""); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if got := names(t, s); got != nil {
		t.Fatalf("got %v, want nothing", got)
	}
}

func TestTimesAreKeptInUTCToTheSecond(t *testing.T) {
	s := fresh(t)
	update(t, s, func(ctx context.Context, tx *Tx) error {
		if err := tx.InsertAgent(ctx, "1", "", ""); err != nil {
			return err
		}
		return tx.InsertPassword(ctx, "1", Password{"hash", noon.In(time.FixedZone("", 7200)).Add(999 * time.Millisecond)})
	})
	if got := must(s.Passwords(context.Background(), "1"))(t)[0].Created; !got.Equal(noon) || got.Location() != time.UTC {
		t.Fatalf("got %v, want %v", got, noon)
	}
}
