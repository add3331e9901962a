package datastore

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// manyNodes is a graph of which each derivation needs those before it in part.
// Some have an output in common, as downloads do.
func manyNodes(n int) (graph []Node) {
	for i := range n {
		drv := &derivation.Derivation{System: fmt.Sprint("system", i%3), Outputs: []derivation.Output{
			{Name: "lib", Path: item(fmt.Sprint(i, "-lib"))}, {Name: "out", Path: item(fmt.Sprint(i - i%10/9))}}}
		for j := max(0, i-3); j < i; j++ {
			drv.Inputs = append(drv.Inputs, derivation.Input{Path: graph[j].Path, Outputs: []string{"lib", "out"}[j%2:]})
		}
		graph = append(graph, Node{item(fmt.Sprint(i, ".drv")), drv})
	}
	return graph
}

// stored is what the database says of a graph: the names of the outputs that
// each derivation makes, and of those that it needs.
func stored(t *testing.T, s *Store, graph []Node) (all [][2][]string) {
	t.Helper()
	path := func(id int64) (path string) {
		if err := s.writer.QueryRow("SELECT output FROM outputs WHERE id = ?", id).Scan(&path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, n := range graph {
		shape := must(s.Shape(context.Background(), must(s.DerivationID(context.Background(), n.Path))(t)))(t)
		var row [2][]string
		for _, id := range shape.Makes {
			row[0] = append(row[0], path(id))
		}
		for _, need := range shape.Needs {
			row[1] = append(row[1], path(need.Output))
		}
		slices.Sort(row[0])
		slices.Sort(row[1])
		all = append(all, row)
	}
	return all
}

func TestALargeGraphIsStoredWhole(t *testing.T) {
	graph := manyNodes(700) // in statements of every size
	var want [][2][]string
	outputs := make(map[storepath.Path]map[string]string)
	for _, n := range graph {
		var row [2][]string
		outputs[n.Path] = make(map[string]string)
		for _, o := range n.Derivation.Outputs {
			outputs[n.Path][o.Name] = string(o.Path)
			row[0] = append(row[0], string(o.Path))
		}
		for _, in := range n.Derivation.Inputs {
			for _, name := range in.Outputs {
				row[1] = append(row[1], outputs[in.Path][name])
			}
		}
		slices.Sort(row[0])
		slices.Sort(row[1])
		row[1] = slices.Compact(row[1])
		want = append(want, row)
	}
	for _, known := range []int{0, 1, 300, len(graph)} { // how many were stored before
		s := fresh(t)
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertGraph(ctx, graph[:known]) })
		s.nodes.known = nil // as after a restart
		var paths []storepath.Path
		for _, n := range graph {
			paths = append(paths, n.Path)
		}
		if got := must(s.Unknown(context.Background(), paths))(t); !slices.Equal(got, paths[known:]) {
			t.Fatalf("%d known: got %d unknown, want the %d others in their order", known, len(got), len(graph)-known)
		}
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertGraph(ctx, graph) })
		if diff := cmp.Diff(want, stored(t, s, graph)); diff != "" {
			t.Errorf("%d known: makes and needs (-want +got)\n%s", known, diff)
		}
	}
}

// A part that was undone leaves nothing behind, in memory either.
func TestAGraphOfAPartThatFailsIsStoredByTheNext(t *testing.T) {
	s := fresh(t)
	graph := manyNodes(20)
	update(t, s, func(ctx context.Context, tx *Tx) error {
		err := tx.Part(ctx, func() error {
			if err := tx.InsertGraph(ctx, graph[:10]); err != nil {
				return err
			}
			return errNo
		})
		if err != errNo {
			t.Fatalf("got %v, want %v", err, errNo)
		}
		return tx.InsertGraph(ctx, graph)
	})
	if got := stored(t, s, graph); len(got[19][0]) != 2 {
		t.Fatalf("the last one makes %q, want two outputs", got[19][0])
	}
}
