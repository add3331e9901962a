package history

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Systems are what derivations of a graph are for.
var Systems = []string{"x86_64-linux", "i686-linux", "aarch64-linux"}

// A Graph is a set of derivations, in layers that need the ones below.
type Graph struct {
	// Paths are all derivations; each follows those that it needs.
	Paths []storepath.Path
	// Known are the derivations by their paths.
	Known map[storepath.Path]*derivation.Derivation

	makers map[storepath.Path][]storepath.Path // by output
}

// EmptyGraph has no derivations yet.
func EmptyGraph() *Graph {
	return &Graph{Known: make(map[storepath.Path]*derivation.Derivation), makers: make(map[storepath.Path][]storepath.Path)}
}

// NewGraph makes layers of derivations. Those of the lowest are fixed outputs
// such as downloads, some of them with a mirror that makes the same output; of
// the others some have several outputs.
func NewGraph(random *rand.Rand, layers, width int) (*Graph, error) {
	g := EmptyGraph()
	modulo := derivation.NewModulo(storepath.DefaultDir, func(p storepath.Path) (*derivation.Derivation, error) {
		return g.Known[p], nil
	})
	for layer := range layers {
		below := g.Paths
		if len(below) > 2*width {
			below = below[len(below)-2*width:]
		}
		for i := range width {
			name := fmt.Sprintf("layer%d-%d", layer, i)
			drv := derivation.Derivation{System: Systems[random.IntN(len(Systems))], Builder: "/bin/sh",
				Outputs: []derivation.Output{{Name: "out"}}}
			switch {
			case layer == 0:
				if i%5 == 4 { // the mirror of the one before
					name = fmt.Sprintf("layer%d-%d", layer, i-1)
					drv.Args = []string{"mirror"}
				}
				drv.Outputs[0].HashAlgo = "sha256"
				drv.Outputs[0].Hash = fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
			case i%4 == 3:
				drv.Outputs = []derivation.Output{{Name: "doc"}, {Name: "lib"}, {Name: "out"}}
			}
			if layer > 0 {
				drv.Inputs = g.choose(random, below)
			}
			if err := g.add(modulo, name, drv); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// choose makes some derivations inputs, each with some of its outputs.
func (g *Graph) choose(random *rand.Rand, from []storepath.Path) []derivation.Input {
	var inputs []derivation.Input
	for _, i := range random.Perm(len(from))[:1+random.IntN(3)] {
		in := derivation.Input{Path: from[i]}
		outputs := g.Known[from[i]].Outputs
		for _, j := range random.Perm(len(outputs))[:1+random.IntN(len(outputs))] {
			in.Outputs = append(in.Outputs, outputs[j].Name)
		}
		inputs = append(inputs, in)
	}
	return inputs
}

func (g *Graph) add(modulo *derivation.Modulo, name string, drv derivation.Derivation) error {
	if err := drv.Fill(modulo, name); err != nil {
		return fmt.Errorf("make a graph: %w", err)
	}
	path, err := drv.StorePath(storepath.DefaultDir, name)
	if err != nil {
		return fmt.Errorf("make a graph: %w", err)
	}
	g.Add(path, &drv)
	return nil
}

// Add adds a derivation. Those that it needs are there already.
func (g *Graph) Add(path storepath.Path, drv *derivation.Derivation) {
	g.Known[path] = drv
	g.Paths = append(g.Paths, path)
	for _, o := range drv.Outputs {
		g.makers[o.Path] = append(g.makers[o.Path], path)
	}
}

// Needs are the outputs that must be there before a derivation can be built.
func (g *Graph) Needs(path storepath.Path) []storepath.Path {
	var needs []storepath.Path
	for _, in := range g.Known[path].Inputs {
		for _, o := range g.Known[in.Path].Outputs {
			for _, name := range in.Outputs {
				if o.Name == name {
					needs = append(needs, o.Path)
				}
			}
		}
	}
	return needs
}

// Makers are the derivations that make an output.
func (g *Graph) Makers(output storepath.Path) []storepath.Path { return g.makers[output] }

// Closure is a derivation and all below it.
func (g *Graph) Closure(path storepath.Path) map[storepath.Path]bool {
	closure := map[storepath.Path]bool{path: true}
	todo := []storepath.Path{path}
	for len(todo) > 0 {
		drv := g.Known[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		for _, in := range drv.Inputs {
			if !closure[in.Path] {
				closure[in.Path] = true
				todo = append(todo, in.Path)
			}
		}
	}
	return closure
}
