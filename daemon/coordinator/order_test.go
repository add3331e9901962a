package coordinator

import (
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// graphOf makes a graph of what "name: inputs" says; what it says nothing of is
// stored already.
func graphOf(inputs map[string]string) map[string]*node {
	graph := make(map[string]*node)
	for name, needs := range inputs {
		for _, n := range name + needs {
			_, known := inputs[string(n)]
			graph[string(n)] = &node{path: storepath.Path(n), stored: !known}
		}
	}
	for name, needs := range inputs {
		for _, need := range needs {
			graph[name].inputs = append(graph[name].inputs, graph[string(need)])
		}
	}
	return graph
}

func TestInOrderPutsInputsFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		graph map[string]string
		want  string // the order; root is r
	}{
		{"one", map[string]string{"r": ""}, "r"},
		{"a chain", map[string]string{"r": "a", "a": "b", "b": ""}, "bar"},
		{"a diamond", map[string]string{"r": "ab", "a": "c", "b": "c", "c": ""}, "cabr"},
		{"a shortcut", map[string]string{"r": "ab", "a": "b", "b": ""}, "bar"},
		{"inputs that are stored already", map[string]string{"r": "xay", "a": "x"}, "ar"},
		{"a circle ends", map[string]string{"r": "a", "a": "b", "b": "a"}, "bar"},
		{"one that needs itself ends", map[string]string{"r": "r"}, "r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, n := range inOrder(new(datastore.Tx), graphOf(tt.graph)["r"]) {
				got += string(n.path)
			}
			if got != tt.want {
				t.Fatalf("got the order %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSetupPauseDoublesUpToItsLimit(t *testing.T) {
	for _, tt := range []struct {
		first, limit int64
		want         []int64 // after 0, 1, 2, … failures before
	}{
		{30, 3600, []int64{30, 60, 120, 240, 480, 960, 1920, 3600, 3600}},
		{5, 5, []int64{5, 5}},
		{1 << 61, 1<<62 + 1, []int64{1 << 61, 1 << 62, 1<<62 + 1, 1<<62 + 1}}, // no overflow
	} {
		c, longest := new(Coordinator), time.Duration(tt.limit)
		c.Configure(Settings{Policy: Policy{SetupRetry: time.Duration(tt.first), MaxSetupRetry: longest}})
		var got []int64
		for before := range tt.want {
			got = append(got, int64(c.setupPause(before)))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("from %d to %d: got %v, want %v", tt.first, tt.limit, got, tt.want)
		}
		if pause := c.setupPause(1_000_000_000); pause != longest {
			t.Errorf("after a billion failures: got %v, want %v", pause, longest)
		}
	}
}
