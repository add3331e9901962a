package derivation

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unsafe"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Parse reads the text of a derivation.
//
// It accepts what a daemon prints and nothing else: no blanks, no other
// spelling of a string, nothing unsorted or twice, no text after the end. So
// whatever Parse accepts, Bytes gives back byte for byte. The paths must be
// well formed and lie in one store.
//
// The result takes memory in proportion to the data, which it does not refer
// to. Its strings share one copy of the text: whoever keeps a single one of
// them for long clones it.
func Parse(data []byte) (*Derivation, error) {
	d := new(Derivation)
	p := parser{scanner: newScanner(string(data))}
	if err := p.derivation(d); err != nil {
		return nil, err
	}
	return d, nil
}

// Links are what a derivation has to do with other store items: all but Args
// and Env, which are empty. Whoever reads thousands of derivations uses one of
// these for all.
type Links struct {
	Derivation
	names []string // backs the outputs of all inputs
}

// Parse reads the text of a derivation, as the function of this name, which
// accepts the same. Afterwards l shares the data, and what it had before is gone.
func (l *Links) Parse(data []byte) error {
	p := parser{scanner: newScanner(unsafe.String(unsafe.SliceData(data), len(data))), names: l.names[:0], links: true}
	err := p.derivation(&l.Derivation)
	l.names = p.names
	return err
}

type parser struct {
	scanner
	dir   storepath.Dir // the store, known after the first path
	names []string      // backs the outputs of all inputs
	links bool          // Args and Env are checked and not kept; lists are used again
}

// derivation reads a derivation into d, whose lists it overwrites.
func (p *parser) derivation(d *Derivation) error {
	p.expect("Derive(")
	d.Outputs = p.outputs(d.Outputs[:0])
	p.expect(",")
	d.Inputs = p.inputs(d.Inputs[:0])
	p.expect(",")
	d.Sources = p.sources(d.Sources[:0])
	p.expect(",")
	d.System = p.quoted()
	p.expect(",")
	d.Builder = p.quoted()
	p.expect(",")
	for range p.list {
		if arg := p.value(); !p.links {
			d.Args = append(d.Args, arg)
		}
	}
	p.expect(",")
	d.Env = p.env()
	p.expect(")")
	p.end()
	if p.err != nil {
		return fmt.Errorf("parse derivation: %w", p.err)
	}
	return nil
}

func (p *parser) outputs(outputs []Output) []Output {
	start := p.at
	for range p.list {
		at := p.at
		var o Output
		p.expect("(")
		o.Name = p.quoted()
		p.expect(",")
		o.Path = p.path()
		p.expect(",")
		o.HashAlgo = p.quoted()
		p.expect(",")
		o.Hash = p.hash(o.HashAlgo)
		p.expect(")")
		if n := len(outputs); n > 0 {
			p.ordered(at, outputs[n-1].Name, o.Name)
		}
		outputs = append(outputs, o)
	}
	if len(outputs) == 0 {
		p.fail(start, "no outputs")
	}
	return outputs
}

// hash reads the hash of an output, which needs an algorithm and has to be
// spelt as it is printed.
func (p *parser) hash(algo string) string {
	at := p.at
	hash := p.quoted()
	if hash == "" {
		return ""
	}
	if algo == "" {
		p.fail(at, "a hash without an algorithm")
	}
	if _, err := hex.DecodeString(hash); err != nil || strings.ContainsAny(hash, "ABCDEF") {
		p.fail(at, "the hash is not in lower-case hexadecimal")
	}
	return hash
}

// minInput is less than the length of an input: its hash and what stands
// around it.
const minInput = len(`("/`) + 32 + len(`-x.drv",["o"])`)

func (p *parser) inputs(inputs []Input) []Input {
	if !p.links {
		// Nearly every "[" starts the outputs of an input, of which each takes
		// more than minInput bytes. Input lists are the bulk of a derivation.
		rest := p.text[p.at:]
		n := min(strings.Count(rest, "["), len(rest)/minInput)
		inputs, p.names = make([]Input, 0, n), make([]string, 0, n+n/4)
	}
	for range p.list {
		at := p.at
		var in Input
		p.expect("(")
		in.Path = p.path()
		if p.err == nil && !in.Path.IsDerivation() {
			p.fail(at, "the input %.300q is not a derivation", in.Path)
		}
		p.expect(",")
		in.Outputs = p.outputNames()
		p.expect(")")
		if n := len(inputs); n > 0 {
			p.ordered(at, string(inputs[n-1].Path), string(in.Path))
		}
		inputs = append(inputs, in)
	}
	if len(inputs) == 0 {
		return nil
	}
	return inputs
}

// outputNames reads the outputs of an input. Nearly all of these lists have
// one item, so they are cut from one slice; they have no spare capacity, so
// that appending to one does not write into the next.
func (p *parser) outputNames() []string {
	start := len(p.names)
	for range p.list {
		at := p.at
		name := p.quoted()
		if n := len(p.names); n > start {
			p.ordered(at, p.names[n-1], name)
		}
		p.names = append(p.names, name)
	}
	if len(p.names) == start {
		return nil
	}
	return p.names[start:len(p.names):len(p.names)]
}

func (p *parser) sources(sources []storepath.Path) []storepath.Path {
	for range p.list {
		at := p.at
		source := p.path()
		if n := len(sources); n > 0 {
			p.ordered(at, string(sources[n-1]), string(source))
		}
		sources = append(sources, source)
	}
	return sources
}

func (p *parser) env() (env []EnvVar) {
	first, last := true, ""
	for range p.list {
		at := p.at
		var v EnvVar
		p.expect("(")
		v.Name = p.quoted()
		p.expect(",")
		v.Value = p.value()
		p.expect(")")
		if !first {
			p.ordered(at, last, v.Name)
		}
		first, last = false, v.Name
		if !p.links {
			env = append(env, v)
		}
	}
	return env
}

// value reads a string that is kept unless only the links are.
func (p *parser) value() string {
	p.blind = p.links
	s := p.quoted()
	p.blind = false
	return s
}

// ordered checks that an item, read at the given offset, may follow another.
func (p *parser) ordered(at int, before, item string) {
	if p.err != nil || before < item {
		return
	}
	if before == item {
		p.fail(at, "%.300q occurs twice", item)
	} else {
		p.fail(at, "%.300q stands after %.300q", item, before)
	}
}

// path reads a store path.
func (p *parser) path() storepath.Path {
	at := p.at
	s := p.quoted()
	if p.err != nil {
		return ""
	}
	var path storepath.Path
	var err error
	if p.dir == "" {
		if path, err = storepath.Parse(s); err == nil {
			p.dir = path.Dir()
		}
	} else {
		path, err = p.dir.Parse(s)
	}
	if err != nil {
		p.fail(at, "%w", err)
	}
	return path
}
