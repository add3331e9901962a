package datastore

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// noon is when the tests take place.
var noon = time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)

// open opens a database in a file, until the test ends.
func open(t testing.TB, file string) *Store {
	t.Helper()
	s, err := Open(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fresh is a new database.
func fresh(t testing.TB) *Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "tbfg.db"))
}

// update changes the database, which must work.
func update(t testing.TB, s *Store, f func(ctx context.Context, tx *Tx) error) {
	t.Helper()
	ctx := context.Background()
	if err := s.Update(ctx, func(tx *Tx) error { return f(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
}

// must is the answer to a question that must have one.
func must[T any](answer T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// item is a store path with a name.
func item(name string) storepath.Path {
	return storepath.Path("/gnu/store/00000000000000000000000000000000-" + name)
}

// insert stores a derivation with the output "out", and "doc" for a name that
// ends so, that needs the outputs "out" of others. It returns its row.
func insert(t testing.TB, s *Store, name string, inputs ...string) int64 {
	t.Helper()
	drv := &derivation.Derivation{System: "x86_64-linux", Outputs: []derivation.Output{{Name: "out", Path: item(name)}}}
	for _, input := range inputs {
		drv.Inputs = append(drv.Inputs, derivation.Input{Path: item(input + ".drv"), Outputs: []string{"out"}})
	}
	return insertDerivation(t, s, name, drv)
}

// node is a new derivation whose inputs are stored.
func node(name string, drv *derivation.Derivation) *Node {
	n := &Node{Path: item(name + ".drv")}
	n.Set(drv, func(path storepath.Path) *Node { return &Node{Path: path} })
	return n
}

func insertDerivation(t testing.TB, s *Store, name string, drv *derivation.Derivation) (id int64) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *Tx) (err error) {
		if err := tx.InsertGraph(ctx, node(name, drv)); err != nil {
			return err
		}
		id, err = tx.DerivationID(ctx, item(name+".drv"))
		return err
	})
	return id
}

// submit adds a build with a number that becomes its UUID.
func submit(t testing.TB, s *Store, n int, derivation int64, b daemon.Build) (id int64) {
	t.Helper()
	b.UUID = uuid(n)
	if b.Created.IsZero() {
		b.Created = noon
	}
	update(t, s, func(ctx context.Context, tx *Tx) (err error) {
		id, err = tx.InsertBuild(ctx, derivation, b)
		return err
	})
	return id
}

func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// build is the build with a number, which must exist.
func build(t testing.TB, s *Store, n int) BuildRow {
	t.Helper()
	b, found, err := s.Build(context.Background(), uuid(n))
	if err != nil || !found {
		t.Fatalf("build %d: found: %v, error: %v", n, found, err)
	}
	return b
}

// agent adds an agent and returns its id.
func agent(t testing.TB, s *Store, name string) string {
	t.Helper()
	id := "agent-" + name
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertAgent(ctx, id, name, "") })
	return id
}

// finish records a result for a build.
func finish(t testing.TB, s *Store, n int, agent string, success bool) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx *Tx) error {
		return tx.Finish(ctx, build(t, s, n), agent, daemon.Result{Success: success, Ended: noon})
	})
}
