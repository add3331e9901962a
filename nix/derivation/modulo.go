package derivation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Modulo computes the hashes of derivations modulo fixed outputs, from which
// output paths are made: two derivations that differ only in how one of their
// inputs is downloaded, but not in what is downloaded, have the same hash and
// so the same outputs (nix/libstore/derivations.cc, hashDerivationModulo).
//
// It remembers the hash of each derivation it has met, some 200 bytes, so one
// Modulo should serve a whole graph. It is not safe for concurrent use.
type Modulo struct {
	dir  storepath.Dir
	load func(storepath.Path) (*Derivation, error)
	sums map[storepath.Path]string // in hexadecimal: so they enter the text
}

// NewModulo returns a Modulo for derivations of the store dir. It calls load,
// once for each, for derivations whose hash it needs and does not know.
func NewModulo(dir storepath.Dir, load func(storepath.Path) (*Derivation, error)) *Modulo {
	return &Modulo{dir: dir, load: load, sums: make(map[storepath.Path]string)}
}

// Hash is the hash, modulo fixed outputs, of the derivation in the file p.
func (m *Modulo) Hash(p storepath.Path) (sum [sha256.Size]byte, err error) {
	if text, ok := m.sums[p]; ok {
		_, err = hex.Decode(sum[:], []byte(text))
		return sum, err
	}
	d, err := m.load(p)
	if err != nil {
		return sum, fmt.Errorf("load derivation %s: %w", p, err)
	}
	return m.visit(p, d)
}

// A visit is a derivation whose inputs are being looked at. The graph is
// walked with a stack of its own, for it may be deeper than is good for
// goroutines; only what lies on the stack is held in memory.
type visit struct {
	path storepath.Path // "" for a derivation that is in no file yet
	drv  *Derivation
	next int // the input to look at next
}

// visit returns the hash of d after those of all that d depends on. The file
// name p may be empty: then the hash is not remembered.
func (m *Modulo) visit(p storepath.Path, d *Derivation) (sum [sha256.Size]byte, err error) {
	stack := []visit{{path: p, drv: d}}
	open := map[storepath.Path]bool{p: true} // what lies on the stack
	for {
		top := &stack[len(stack)-1]
		if top.next < len(top.drv.Inputs) && !top.drv.Fixed() {
			in := top.drv.Inputs[top.next].Path
			top.next++
			if _, ok := m.sums[in]; ok {
				continue
			}
			if open[in] {
				return sum, fmt.Errorf("derivation %s depends on itself", in)
			}
			drv, err := m.load(in)
			if err != nil {
				return sum, fmt.Errorf("load derivation %s: %w", in, err)
			}
			stack = append(stack, visit{path: in, drv: drv})
			open[in] = true
			continue
		}
		sum = m.sum(top.drv)
		if top.path != "" {
			m.sums[top.path] = hex.EncodeToString(sum[:])
		}
		delete(open, top.path)
		*top = visit{}
		stack = stack[:len(stack)-1]
		if len(stack) == 0 {
			return sum, nil
		}
	}
}

// sum hashes d, the hashes of its inputs being known.
func (m *Modulo) sum(d *Derivation) [sha256.Size]byte {
	var text []byte
	if d.Fixed() {
		out := d.Outputs[0]
		text = []byte("fixed:out:" + out.HashAlgo + ":" + out.Hash + ":" + string(out.Path))
	} else {
		masked := *d
		masked.Inputs = m.mask(d.Inputs)
		text = masked.Bytes()
	}
	return sha256.Sum256(text)
}

// mask puts hashes in the place of the inputs' paths. Inputs that have the
// same hash become one, and the last of them says which outputs are needed.
// (That is what the daemon does, and the daemon refuses derivations whose
// paths are computed differently. Guix joins such inputs beforehand.)
func (m *Modulo) mask(inputs []Input) []Input {
	masked := make([]Input, len(inputs))
	for i, in := range inputs {
		// Not a path, but only printed and compared.
		masked[len(masked)-1-i] = Input{Path: storepath.Path(m.sums[in.Path]), Outputs: in.Outputs}
	}
	// Reversed above, the last of equals comes first, and stays.
	slices.SortStableFunc(masked, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	return slices.CompactFunc(masked, func(a, b Input) bool { return a.Path == b.Path })
}
