package datastore

import (
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Node is a derivation of a graph that is to be stored. One that has only a
// path stands for a derivation that is stored already.
type Node struct {
	Path    storepath.Path
	System  string
	Fixed   bool // see [derivation.Derivation.Fixed]
	Outputs []NodeOutput
	Inputs  []NodeInput // nil once the node is stored and that was committed

	// id is the row: zero until the running transaction, or one that was
	// committed, has stored the node or found it.
	id   int64
	bare bool // it had only a path
}

// A NodeOutput is one of the outputs that a derivation makes.
type NodeOutput struct {
	Name string
	Path storepath.Path
	id   int64 // row of outputs
}

// A NodeInput is a derivation that another one refers to, and those of its
// outputs that this one needs.
type NodeInput struct {
	Node    *Node
	Outputs []string
}

// begun is the id of a node while its inputs are listed.
const begun = -1

// justOut is what most derivations need of most of their inputs.
var justOut = []string{"out"}

// Set makes n the node of a derivation, of which it shares no memory; input
// returns the node of another one.
func (n *Node) Set(d *derivation.Derivation, input func(storepath.Path) *Node) {
	n.System, n.Fixed = strings.Clone(d.System), d.Fixed()
	n.Outputs = make([]NodeOutput, len(d.Outputs))
	for i, o := range d.Outputs {
		n.Outputs[i] = NodeOutput{Name: strings.Clone(o.Name), Path: storepath.Path(strings.Clone(string(o.Path)))}
	}
	n.Inputs = make([]NodeInput, len(d.Inputs))
	for i, in := range d.Inputs {
		names := justOut
		if !slices.Equal(in.Outputs, justOut) {
			names = make([]string, len(in.Outputs))
			for i, name := range in.Outputs {
				names[i] = strings.Clone(name)
			}
		}
		n.Inputs[i] = NodeInput{input(in.Path), names}
	}
}

// found enters the rows of a node.
func (n *Node) found(k knownNode) {
	n.id = k.id
	if len(n.Outputs) == 0 {
		n.Outputs, n.bare = k.outputs, true
		return
	}
	for i := range n.Outputs {
		at := slices.IndexFunc(k.outputs, func(o NodeOutput) bool { return o.Name == n.Outputs[i].Name })
		n.Outputs[i].id = 0
		if at >= 0 {
			n.Outputs[i].id = k.outputs[at].id
		}
	}
}

// forget is for a node whose rows are gone.
func (n *Node) forget() {
	n.id = 0
	if n.bare {
		n.Outputs = nil
	}
}

// ID is the row, when the node was stored or found by [Tx.InsertGraph].
func (n *Node) ID() int64 { return n.id }

// output is the row of the output with a name; zero if there is none.
func (n *Node) output(name string) int64 {
	for i := range n.Outputs {
		if n.Outputs[i].Name == name {
			return n.Outputs[i].id
		}
	}
	return 0
}
