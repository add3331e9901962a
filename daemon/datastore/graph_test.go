package datastore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// manyNodes is a graph of which each derivation needs those before it in part.
// Some have an output in common, as downloads do.
func manyNodes(n int) (graph []*Node) {
	for i := range n {
		node := &Node{Path: item(fmt.Sprint(i, ".drv")), System: fmt.Sprint("system", i%3), Outputs: []NodeOutput{
			{Name: "lib", Path: item(fmt.Sprint(i, "-lib"))}, {Name: "out", Path: item(fmt.Sprint(i - i%10/9))}}}
		for j := max(0, i-3); j < i; j++ {
			node.Inputs = append(node.Inputs, NodeInput{graph[j], []string{"lib", "out"}[j%2:]})
		}
		graph = append(graph, node)
	}
	return graph
}

// stored is what the database says of a graph: the names of the outputs that
// each derivation makes, and of those that it needs.
func stored(t *testing.T, s *Store, graph []*Node) (all [][2][]string) {
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
		for _, o := range n.Outputs {
			outputs[n.Path][o.Name] = string(o.Path)
			row[0] = append(row[0], string(o.Path))
		}
		for _, in := range n.Inputs {
			for _, name := range in.Outputs {
				row[1] = append(row[1], outputs[in.Node.Path][name])
			}
		}
		slices.Sort(row[0])
		slices.Sort(row[1])
		row[1] = slices.Compact(row[1])
		want = append(want, row)
	}
	for _, known := range []int{0, 1, 300, len(graph)} { // how many were stored before
		s := fresh(t)
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertGraph(ctx, manyNodes(known)...) })
		*s.nodes = nodes{} // as after a restart
		var paths []storepath.Path
		for _, n := range graph {
			paths = append(paths, n.Path)
		}
		if got := must(s.Unknown(context.Background(), paths))(t); !slices.Equal(got, paths[known:]) {
			t.Fatalf("%d known: got %d unknown, want the %d others in their order", known, len(got), len(graph)-known)
		}
		again := manyNodes(len(graph))
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertGraph(ctx, again...) })
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
			if err := tx.InsertGraph(ctx, graph[:10]...); err != nil {
				return err
			}
			return errNo
		})
		if err != errNo {
			t.Fatalf("got %v, want %v", err, errNo)
		}
		return tx.InsertGraph(ctx, graph...)
	})
	if got := stored(t, s, graph); len(got[19][0]) != 2 {
		t.Fatalf("the last one makes %q, want two outputs", got[19][0])
	}
}

// graphOf makes a graph of what "name: inputs" says; what it says nothing of is
// to be stored already.
func graphOf(inputs map[string]string) map[string]*Node {
	graph := make(map[string]*Node)
	get := func(name string) *Node {
		if graph[name] == nil {
			graph[name] = &Node{Path: item(name + ".drv")}
		}
		return graph[name]
	}
	for name, needs := range inputs {
		n := get(name)
		n.System, n.Outputs = "x86_64-linux", []NodeOutput{{Name: "out", Path: item(name)}}
		for _, need := range needs {
			n.Inputs = append(n.Inputs, NodeInput{get(string(need)), justOut})
		}
	}
	return graph
}

func TestInputsAreStoredFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		graph map[string]string
		want  string // the order, after x and y, which were there; root is r
		err   string
	}{
		{"one", map[string]string{"r": ""}, "r", ""},
		{"a chain", map[string]string{"r": "a", "a": "b", "b": ""}, "bar", ""},
		{"a diamond", map[string]string{"r": "ab", "a": "c", "b": "c", "c": ""}, "cabr", ""},
		{"a shortcut", map[string]string{"r": "ab", "a": "b", "b": ""}, "bar", ""},
		{"inputs that are there", map[string]string{"r": "xay", "a": "x"}, "ar", ""},
		{"one that is there and was read again", map[string]string{"r": "xay", "a": "x", "x": "y"}, "ar", ""},
		{"an input that nobody has", map[string]string{"r": "ab", "a": "x"}, "", "r.drv refers to " + string(item("b.drv"))},
		{"a circle", map[string]string{"r": "ca", "a": "b", "b": "a", "c": ""}, "", "a.drv needs itself"},
		{"one that needs itself", map[string]string{"r": "r"}, "", "r.drv needs itself"},
	} {
		for _, remembers := range []bool{true, false} {
			t.Run(fmt.Sprint(tt.name, remembers), func(t *testing.T) {
				s := fresh(t)
				insert(t, s, "x")
				insert(t, s, "y")
				if !remembers {
					*s.nodes = nodes{} // as after a restart
				}
				graph := graphOf(tt.graph)
				err := s.Update(t.Context(), func(tx *Tx) error { return tx.InsertGraph(t.Context(), graph["r"]) })
				if err == nil && tt.err != "" || err != nil && (daemon.CodeOf(err) != daemon.Invalid || !strings.Contains(err.Error(), tt.err)) {
					t.Fatalf("got the error %v, want %q", err, tt.err)
				}
				var got string
				rows := must(s.reader.Query("SELECT name FROM derivations ORDER BY id"))(t)
				for rows.Next() {
					var name storepath.Path
					if err := rows.Scan(&name); err != nil {
						t.Fatal(err)
					}
					got += strings.TrimSuffix(name.Name(), ".drv")
				}
				if got != "xy"+tt.want {
					t.Errorf("got the order %q, want xy and then %q", got, tt.want)
				}
				for name, n := range graph {
					if (n.id == 0) != (err != nil) || err == nil && len(n.Inputs) > 0 && name != "x" {
						t.Errorf("%s: got the row %d and %d inputs", name, n.id, len(n.Inputs))
					}
				}
			})
		}
	}
}

// Beyond what is remembered the database is asked.
func TestMoreThanIsRememberedIsKnown(t *testing.T) {
	s := fresh(t)
	var paths []storepath.Path
	graph := manyNodes(maxNodes + 10)
	for _, n := range graph {
		paths = append(paths, n.Path)
	}
	for _, part := range [][]*Node{graph[:maxNodes-10], graph[maxNodes-10:]} {
		update(t, s, func(ctx context.Context, tx *Tx) error { return tx.InsertGraph(ctx, part...) })
		if got := must(s.Unknown(t.Context(), paths[:maxNodes-10]))(t); len(got) > 0 {
			t.Fatalf("got %d unknown, want none", len(got))
		}
	}
	if got := must(s.Unknown(t.Context(), append(paths, item("more.drv"))))(t); !slices.Equal(got, []storepath.Path{item("more.drv")}) {
		t.Fatalf("got %d unknown, want the one that is not stored", len(got))
	}
}
