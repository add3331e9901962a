package derivation

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// OutputPaths computes the paths of the outputs of d, in the order of
// d.Outputs. The name is that of the derivation, without ".drv". What d itself
// says about the paths has no influence: they may be blank, and the daemon
// checks them in the same way (nix/libstore/local-store.cc,
// checkDerivationOutputs).
func (m *Modulo) OutputPaths(d *Derivation, name string) ([]storepath.Path, error) {
	if d.Fixed() {
		out := d.Outputs[0]
		hash, err := hex.DecodeString(out.Hash)
		if err != nil {
			return nil, fmt.Errorf("hash of the output of %s: %w", name, err)
		}
		algo, recursive := strings.CutPrefix(out.HashAlgo, "r:")
		path, err := m.dir.FixedOutput(name, recursive, algo, hash)
		if err != nil {
			return nil, err
		}
		return []storepath.Path{path}, nil
	}
	blank := d.withPaths(make([]storepath.Path, len(d.Outputs)))
	sum, err := m.visit("", blank)
	if err != nil {
		return nil, fmt.Errorf("compute the outputs of %s: %w", name, err)
	}
	paths := make([]storepath.Path, len(d.Outputs))
	for i, o := range d.Outputs {
		if paths[i], err = m.dir.Output(o.Name, name, sum); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// Fill completes a new derivation of the given name (without ".drv"): it sorts
// the lists that have to be sorted, computes the paths of the outputs, and
// enters them as such and as the environment variables with the outputs'
// names. The derivations it depends on must be known to m or to its load
// function. If they cannot be computed, or d cannot be a derivation, d is left
// as it was.
func (d *Derivation) Fill(m *Modulo, name string) error {
	filled := d.sorted()
	paths, err := m.OutputPaths(filled, name)
	if err != nil {
		return err
	}
	filled = filled.withPaths(paths)
	// The parser knows all that a derivation has to comply with.
	if _, err := Parse(filled.Bytes()); err != nil {
		return fmt.Errorf("derivation %s: %w", name, err)
	}
	*d = *filled
	return nil
}

// StorePath is the name that the file of d has in the store dir, where name is
// that of the derivation, without ".drv".
func (d *Derivation) StorePath(dir storepath.Dir, name string) (storepath.Path, error) {
	return d.TextPath(dir, name, d.Bytes())
}

// TextPath is StorePath for those who have the text that d was parsed from, so
// that it need not be printed.
func (d *Derivation) TextPath(dir storepath.Dir, name string, text []byte) (storepath.Path, error) {
	// Both lists are sorted, so this is what storepath would have to sort.
	refs := make([]storepath.Path, 0, len(d.Sources)+len(d.Inputs))
	sources := d.Sources
	for _, in := range d.Inputs {
		for len(sources) > 0 && sources[0] < in.Path {
			refs, sources = append(refs, sources[0]), sources[1:]
		}
		refs = append(refs, in.Path)
	}
	return dir.Text(name+".drv", text, append(refs, sources...))
}

// withPaths returns a copy of d that has the given paths as its outputs, in
// their order, and in the environment. It shares the rest with d.
func (d *Derivation) withPaths(paths []storepath.Path) *Derivation {
	c := *d
	c.Outputs = slices.Clone(d.Outputs)
	c.Env = slices.Clone(d.Env)
	for i, path := range paths {
		c.Outputs[i].Path = path
		v := EnvVar{Name: c.Outputs[i].Name, Value: string(path)}
		at, found := slices.BinarySearchFunc(c.Env, v, compareEnv)
		if found {
			c.Env[at] = v
		} else {
			c.Env = slices.Insert(c.Env, at, v)
		}
	}
	return &c
}

// sorted returns a copy of d in which all is sorted that has to be.
func (d *Derivation) sorted() *Derivation {
	c := *d
	c.Outputs = slices.Clone(d.Outputs)
	slices.SortFunc(c.Outputs, func(a, b Output) int { return cmp.Compare(a.Name, b.Name) })
	c.Inputs = slices.Clone(d.Inputs)
	slices.SortFunc(c.Inputs, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	for i, in := range c.Inputs {
		c.Inputs[i].Outputs = slices.Sorted(slices.Values(in.Outputs))
	}
	c.Sources = slices.Sorted(slices.Values(d.Sources))
	c.Env = slices.Clone(d.Env)
	slices.SortFunc(c.Env, compareEnv)
	return &c
}

func compareEnv(a, b EnvVar) int { return cmp.Compare(a.Name, b.Name) }
