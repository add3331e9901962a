package coordinatortest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Derivations is a substitute server in memory.
type Derivations struct {
	mu      sync.Mutex // guards what follows
	known   map[storepath.Path]*derivation.Derivation
	texts   map[storepath.Path][]byte
	modulo  *derivation.Modulo
	fetched []string
}

// NewDerivations is a server that has none.
func NewDerivations() *Derivations {
	d := &Derivations{known: make(map[storepath.Path]*derivation.Derivation), texts: make(map[storepath.Path][]byte)}
	d.modulo = derivation.NewModulo(storepath.DefaultDir, func(p storepath.Path) (*derivation.Derivation, error) {
		return d.known[p], nil
	})
	return d
}

// Derivation makes a derivation for System with one output, which needs the
// first output of each of the inputs.
func (d *Derivations) Derivation(name string, inputs ...storepath.Path) storepath.Path {
	return d.Make(name, derivation.Derivation{Inputs: d.First(inputs...)})
}

// First says of each input that its first output is needed.
func (d *Derivations) First(inputs ...storepath.Path) []derivation.Input {
	d.mu.Lock()
	defer d.mu.Unlock()
	var needs []derivation.Input
	for _, in := range inputs {
		needs = append(needs, derivation.Input{Path: in, Outputs: []string{d.known[in].Outputs[0].Name}})
	}
	return needs
}

// Make completes a derivation and offers it to those who fetch.
func (d *Derivations) Make(name string, drv derivation.Derivation) storepath.Path {
	d.mu.Lock()
	defer d.mu.Unlock()
	if drv.System == "" {
		drv.System = System
	}
	if drv.Builder == "" {
		drv.Builder = "/bin/sh"
	}
	if drv.Outputs == nil {
		drv.Outputs = []derivation.Output{{Name: "out"}}
	}
	if err := drv.Fill(d.modulo, name); err != nil {
		panic(fmt.Sprintf("make derivation %s: %v", name, err))
	}
	path, err := drv.StorePath(storepath.DefaultDir, name)
	if err != nil {
		panic(fmt.Sprintf("make derivation %s: %v", name, err))
	}
	d.known[path], d.texts[path] = &drv, drv.Bytes()
	return path
}

// Output is the path of a derivation's output.
func (d *Derivations) Output(drv storepath.Path, name string) storepath.Path {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.known[drv].Outputs {
		if o.Name == name {
			return o.Path
		}
	}
	panic(fmt.Sprintf("%s has no output %s", drv, name))
}

// Offer replaces what is fetched as a path; nil takes it away.
func (d *Derivations) Offer(path storepath.Path, text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.texts[path] = text; text == nil {
		delete(d.texts, path)
	}
}

// Text is what is fetched as a path.
func (d *Derivations) Text(path storepath.Path) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.texts[path]
}

// Fetch implements the function of the same name in [coordinator.Config].
func (d *Derivations) Fetch(_ context.Context, urls []string, path storepath.Path) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fetched = append(d.fetched, strings.TrimSpace(path.Name()+" "+strings.Join(urls, " ")))
	text, ok := d.texts[path]
	if !ok {
		return nil, daemon.Errorf(daemon.NotFound, "no substitute server has %s", path)
	}
	return text, nil
}

// Fetched lists the names and URLs that were asked for since the last call.
func (d *Derivations) Fetched() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	fetched := d.fetched
	d.fetched = nil
	return fetched
}
