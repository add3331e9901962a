// Package derivation reads and prints derivations, the ".drv" files of a
// store, and computes the paths that follow from them.
//
// A derivation says how to build something: which builder to run with which
// arguments and environment, on which inputs, for which outputs. Its text is an
// ATerm, described in section 5.4 of Eelco Dolstra's thesis "The Purely
// Functional Software Deployment Model"; the code that this package agrees with
// byte for byte is guix/derivations.scm and nix/libstore/derivations.cc of
// GNU Guix 1.5.0.
//
// There is no I/O here: callers read files, from a store or from a substitute.
package derivation

import "codeberg.org/tbfg/tbfg/nix/storepath"

// A Derivation is what a .drv file says. Its name is not part of it: that is
// in the name of the file.
//
// Outputs, Inputs and Env are sorted by name or path, in the order of bytes,
// and without duplicates; so are Sources and the outputs of an input. Parse
// guarantees that, Fill establishes it, and everything else relies on it.
type Derivation struct {
	Outputs []Output
	Inputs  []Input          // derivations whose outputs the build needs
	Sources []storepath.Path // other store items that the build needs
	System  string           // such as "x86_64-linux"
	Builder string           // an absolute file name, or "builtin:" and a name
	Args    []string
	Env     []EnvVar
}

// An Output is one of the things that a derivation builds.
type Output struct {
	Name string // "out", unless there are several
	Path storepath.Path

	// A fixed output states its hash: the algorithm, after "r:" if it is the
	// hash of the NAR rather than of a plain file, and the hash in lower-case
	// hexadecimal. Both are empty in other outputs. An algorithm without a
	// hash says nothing, but it occurs and has to be kept.
	HashAlgo string
	Hash     string
}

// An Input is a derivation and those of its outputs that are needed.
type Input struct {
	Path    storepath.Path
	Outputs []string
}

// An EnvVar is a variable of the builder's environment.
type EnvVar struct {
	Name, Value string
}

// Fixed tells whether o states the hash of its content.
func (o Output) Fixed() bool { return o.Hash != "" }

// Fixed tells whether the content of d is known before it is built, such as
// that of a download. The daemon knows such derivations by their only output,
// called "out", having a hash; hashes elsewhere mean nothing to it.
func (d *Derivation) Fixed() bool {
	return len(d.Outputs) == 1 && d.Outputs[0].Name == "out" && d.Outputs[0].Fixed()
}
