// Package toy makes derivations that a real guix-daemon builds in
// milliseconds and offline.
//
// Guix's own packages all begin with downloads. A toy derivation needs
// nothing but its toolbox, a store item with a static bash and a static
// busybox: the script of its Recipe is run by that bash, with busybox's
// commands in its PATH. All else is real: the daemon, the isolation, the
// hashes, the references, the graph.
//
//	shop, err := toy.Open(ctx, conn, m.Path("/"))
//	lib, err := shop.Add(ctx, toy.Recipe{Name: "lib", Script: `echo data >"$out"`})
//	app, err := shop.Add(ctx, toy.Recipe{Name: "app", Inputs: []*toy.Drv{lib},
//		Script: `mkdir "$out"; ln -s "$in_lib" "$out/lib"`})
//	err = conn.Build(ctx, []string{string(app.Path)}, guixdaemon.Normal)
package toy

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Recipe says what to build and how.
type Recipe struct {
	Name string // without ".drv"

	// Script is run by bash -e in an empty directory. The paths of the
	// outputs to make are in variables with their names, $out unless there
	// are others; those of the inputs in $in_NAME, and in $in_NAME_OUTPUT
	// for outputs that are not called out. In NAME and OUTPUT whatever is
	// not a letter or a digit is an underscore.
	Script string

	Inputs  []*Drv           // with all their outputs
	Sources []storepath.Path // other store items that the script may read
	Outputs []string         // "out" when nil
	System  string           // this machine's when empty
	Env     map[string]string

	// HashAlgo and Hash make the output a fixed one: "sha256" and the hash
	// of a plain file in hexadecimal, or "r:sha256" and the hash of the NAR.
	HashAlgo, Hash string
}

// A Drv is a derivation made of a Recipe.
type Drv struct {
	Path    storepath.Path
	Outputs map[string]storepath.Path
	Text    []byte // the contents of the file Path

	name string
}

// Out is the output called out.
func (d *Drv) Out() storepath.Path { return d.Outputs["out"] }

// A Shop makes derivations and adds them to a store through a connection.
// Its methods may be called from several goroutines.
type Shop struct {
	conn  *guixdaemon.Conn
	tools storepath.Path

	mu     sync.Mutex // guards modulo and made
	modulo *derivation.Modulo
	made   map[storepath.Path]*derivation.Derivation
}

// Open adds the toolbox to the store behind conn, out of /bin/bash-static and
// /bin/busybox below root: the machine's root directory as seen from here.
// What a Shop adds is safe from garbage collection as long as conn is open.
// The same recipes have the same paths in every store with the same binaries.
func Open(ctx context.Context, conn *guixdaemon.Conn, root string) (*Shop, error) {
	tools, err := addTools(ctx, conn, root)
	if err != nil {
		return nil, fmt.Errorf("open toy shop: %w", err)
	}
	s := &Shop{conn: conn, tools: tools, made: make(map[storepath.Path]*derivation.Derivation)}
	s.modulo = derivation.NewModulo(tools.Dir(), func(p storepath.Path) (*derivation.Derivation, error) {
		if d := s.made[p]; d != nil { // called with mu held
			return d, nil
		}
		return nil, fmt.Errorf("derivation %s is of another shop", p)
	})
	return s, nil
}

// Tools is the toolbox, a directory with a bin.
func (s *Shop) Tools() storepath.Path { return s.tools }

// Compute makes a derivation without telling the daemon.
func (s *Shop) Compute(r Recipe) (*Drv, error) {
	d := &derivation.Derivation{
		System:  r.System,
		Builder: string(s.tools) + "/bin/bash",
		Args:    []string{"-e", "-c", r.Script},
		Sources: append([]storepath.Path{s.tools}, r.Sources...),
	}
	if d.System == "" {
		d.System = System()
	}
	outputs := r.Outputs
	if outputs == nil {
		outputs = []string{"out"}
	}
	for _, name := range outputs {
		d.Outputs = append(d.Outputs, derivation.Output{Name: name, HashAlgo: r.HashAlgo, Hash: r.Hash})
	}
	env := map[string]string{"PATH": string(s.tools) + "/bin"}
	for _, in := range r.Inputs {
		names := slices.Sorted(maps.Keys(in.Outputs))
		d.Inputs = append(d.Inputs, derivation.Input{Path: in.Path, Outputs: names})
		for _, name := range names {
			variable := "in_" + in.name
			if name != "out" {
				variable += "_" + name
			}
			env[strings.Map(identifier, variable)] = string(in.Outputs[name])
		}
	}
	maps.Copy(env, r.Env)
	for name, value := range env {
		d.Env = append(d.Env, derivation.EnvVar{Name: name, Value: value})
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := d.Fill(s.modulo, r.Name); err != nil {
		return nil, fmt.Errorf("make toy %s: %w", r.Name, err)
	}
	path, err := d.StorePath(s.tools.Dir(), r.Name)
	if err != nil {
		return nil, fmt.Errorf("make toy %s: %w", r.Name, err)
	}
	s.made[path] = d
	drv := &Drv{Path: path, Outputs: make(map[string]storepath.Path), Text: d.Bytes(), name: r.Name}
	for _, o := range d.Outputs {
		drv.Outputs[o.Name] = o.Path
	}
	return drv, nil
}

// Add makes a derivation and adds it to the store, where its inputs must be.
func (s *Shop) Add(ctx context.Context, r Recipe) (*Drv, error) {
	drv, err := s.Compute(r)
	if err != nil {
		return nil, err
	}
	refs := append([]storepath.Path{s.tools}, r.Sources...)
	for _, in := range r.Inputs {
		refs = append(refs, in.Path)
	}
	path, err := s.conn.AddTextToStore(ctx, r.Name+".drv", drv.Text, refs)
	if err != nil {
		return nil, fmt.Errorf("add toy %s: %w", r.Name, err)
	}
	if path != drv.Path {
		return nil, fmt.Errorf("add toy %s: the daemon calls it %s, we %s", r.Name, path, drv.Path)
	}
	return drv, nil
}

// AddMany adds n derivations that differ in their names, the recipe's with
// "-0" and so on added, and in the variable number.
func (s *Shop) AddMany(ctx context.Context, n int, r Recipe) ([]*Drv, error) {
	drvs := make([]*Drv, 0, n)
	for i := range n {
		one := r
		one.Name = fmt.Sprintf("%s-%d", r.Name, i)
		one.Env = maps.Clone(r.Env)
		if one.Env == nil {
			one.Env = make(map[string]string)
		}
		one.Env["number"] = fmt.Sprint(i)
		drv, err := s.Add(ctx, one)
		if err != nil {
			return nil, err
		}
		drvs = append(drvs, drv)
	}
	return drvs, nil
}

// System is the system type that this machine builds for, such as x86_64-linux.
func System() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64-linux"
	case "arm64":
		return "aarch64-linux"
	case "386":
		return "i686-linux"
	case "arm":
		return "armhf-linux"
	case "ppc64le":
		return "powerpc64le-linux"
	}
	return runtime.GOARCH + "-linux"
}

// identifier maps what cannot stand in a shell variable's name to an underscore.
func identifier(r rune) rune {
	if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
		return r
	}
	return '_'
}
