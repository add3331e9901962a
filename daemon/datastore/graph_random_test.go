package datastore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/storepath"

	"pgregory.net/rapid"
)

// graphWorld is a graph that is stored in pieces, read once and again, in
// transactions of which some fail, or parts of them.
type graphWorld struct {
	s      *Store
	paths  []storepath.Path
	inputs [][]int       // of each, all before it
	made   [][2]string   // the paths of the outputs "lib" and "out"; some make the same
	read   [][]*Node     // each time that it was read
	there  map[int]bool  // was committed
	ids    map[int]int64 // its row
}

func newGraphWorld(t *rapid.T, s *Store, number int) *graphWorld {
	w := &graphWorld{s: s, there: make(map[int]bool), ids: make(map[int]int64)}
	for i := range rapid.IntRange(1, 12).Draw(t, "derivations") {
		name := fmt.Sprint(number, "-", i)
		w.paths = append(w.paths, item(name+".drv"))
		out := string(item(name))
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "shares an output") == 0 {
			out = w.made[i-1][1]
		}
		w.made = append(w.made, [2]string{string(item(name + "-lib")), out})
		var inputs []int
		for j := range i {
			if rapid.Bool().Draw(t, "needs") {
				inputs = append(inputs, j)
			}
		}
		w.inputs = append(w.inputs, inputs)
	}
	return w
}

// reads makes new nodes. Of what is stored some may not be read.
func (w *graphWorld) reads(t *rapid.T) {
	nodes := make([]*Node, len(w.paths))
	for i, path := range w.paths {
		nodes[i] = &Node{Path: path}
		if w.there[i] && rapid.Bool().Draw(t, "only a path") {
			continue
		}
		nodes[i].System = "x86_64-linux"
		nodes[i].Outputs = []NodeOutput{{Name: "lib", Path: storepath.Path(w.made[i][0])}, {Name: "out", Path: storepath.Path(w.made[i][1])}}
		for _, j := range w.inputs[i] {
			nodes[i].Inputs = append(nodes[i].Inputs, NodeInput{nodes[j], []string{"lib", "out"}[j%2:]})
		}
	}
	w.read = append(w.read, nodes)
}

// below adds to a set a derivation and what it needs.
func (w *graphWorld) below(set map[int]bool, i int) {
	if !set[i] {
		set[i] = true
		for _, j := range w.inputs[i] {
			w.below(set, j)
		}
	}
}

var errUndone = errors.New("undone")

// insert stores some derivations, and enters them into there if that lasts.
func (w *graphWorld) insert(ctx context.Context, t *rapid.T, tx *Tx, there map[int]bool) error {
	nodes := w.read[rapid.IntRange(0, len(w.read)-1).Draw(t, "read")]
	some := rapid.SliceOfN(rapid.IntRange(0, len(nodes)-1), 1, 3).Draw(t, "some")
	undone := rapid.IntRange(0, 3).Draw(t, "undone") == 0
	err := tx.Part(ctx, func() error {
		var graph []*Node
		for _, i := range some {
			graph = append(graph, nodes[i])
		}
		if err := tx.InsertGraph(ctx, graph...); err != nil {
			return err
		}
		for _, n := range graph {
			if id, err := tx.DerivationID(ctx, n.Path); id != n.ID() || id == 0 || err != nil {
				return fmt.Errorf("%s: got the row %d, %v, want %d", n.Path, n.ID(), err, id)
			}
		}
		if undone {
			return errUndone
		}
		return nil
	})
	switch {
	case undone && err == errUndone:
		return nil
	case err != nil:
		return fmt.Errorf("insert %d: %w", some, err)
	}
	for _, i := range some {
		w.below(there, i)
	}
	return nil
}

func (w *graphWorld) transaction(t *rapid.T) {
	there := maps.Clone(w.there)
	fails := rapid.IntRange(0, 3).Draw(t, "fails") == 0
	update := w.s.Update
	if rapid.Bool().Draw(t, "soon") {
		update = w.s.UpdateSoon
	}
	ctx := context.Background()
	err := update(ctx, func(tx *Tx) error {
		for range rapid.IntRange(1, 4).Draw(t, "insertions") {
			if err := w.insert(ctx, t, tx, there); err != nil {
				return err
			}
		}
		if fails {
			return errUndone
		}
		return nil
	})
	if fails && errors.Is(err, errUndone) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w.there = there
}

// check compares the database and the nodes with what must be there.
func (w *graphWorld) check(t *rapid.T) {
	ctx := context.Background()
	for i, path := range w.paths {
		var id int64
		err := w.s.reader.QueryRow("SELECT coalesce(max(id), 0) FROM derivations WHERE name = ?", path).Scan(&id)
		if err != nil || (id != 0) != w.there[i] || w.ids[i] != 0 && id != w.ids[i] {
			t.Fatalf("%s: got the row %d, %v; it was %d, and there is one: %v", path, id, err, w.ids[i], w.there[i])
		}
		w.ids[i] = id
		for _, nodes := range w.read {
			if n := nodes[i]; n.id != 0 && n.id != id {
				t.Fatalf("%s: a node says that its row is %d, and it is %d", path, n.id, id)
			}
		}
		if id == 0 {
			continue
		}
		shape, err := w.s.Shape(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		var makes, needs, wantNeeds []string
		output := func(id int64) (path string) {
			if err := w.s.reader.QueryRow("SELECT output FROM outputs WHERE id = ?", id).Scan(&path); err != nil {
				t.Fatal(err)
			}
			return path
		}
		for _, id := range shape.Makes {
			makes = append(makes, output(id))
		}
		for _, need := range shape.Needs {
			needs = append(needs, output(need.Output))
		}
		for _, j := range w.inputs[i] {
			wantNeeds = append(wantNeeds, w.made[j][j%2:]...)
		}
		slices.Sort(wantNeeds)
		wantNeeds = slices.Compact(wantNeeds)
		slices.Sort(needs)
		slices.Sort(makes)
		wantMakes := slices.Sorted(slices.Values(w.made[i][:]))
		if !slices.Equal(makes, wantMakes) || !slices.Equal(needs, wantNeeds) {
			t.Fatalf("%s: makes %q and needs %q, want %q and %q", path, makes, needs, wantMakes, wantNeeds)
		}
	}
}

func TestGraphsAreStoredWhateverFails(t *testing.T) {
	s := fresh(t)
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		w := newGraphWorld(t, s, number)
		w.reads(t)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				w.reads(t)
			case 1:
				*s.nodes = nodes{} // as after a restart
			default:
				w.transaction(t)
			}
			w.check(t)
		}
	})
}
