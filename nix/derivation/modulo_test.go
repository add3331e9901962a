package derivation

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// The output paths and file names of the fixtures are the work of Guix, checked
// by its daemon.
func TestOutputPathsOfFixtures(t *testing.T) {
	drvs := parsed(t)
	whole := make(map[storepath.Path]*Derivation) // with all they depend on
	for p := range drvs {
		if closed(drvs, p) {
			whole[p] = drvs[p]
		}
	}
	if len(whole) < 17 {
		t.Fatalf("only %d derivations have their inputs with them", len(whole))
	}
	checkOutputs(t, whole)
}

func closed(drvs map[storepath.Path]*Derivation, p storepath.Path) bool {
	d := drvs[p]
	if d == nil {
		return false
	}
	if d.Fixed() {
		return true
	}
	for _, in := range d.Inputs {
		if !closed(drvs, in.Path) {
			return false
		}
	}
	return true
}

func TestStorePathOfFixtures(t *testing.T) {
	for p, d := range parsed(t) {
		got, err := d.StorePath(storepath.DefaultDir, strings.TrimSuffix(p.Name(), ".drv"))
		if got != p || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, p)
		}
	}
}

func TestHashIsModuloFixedOutputs(t *testing.T) {
	m := NewModulo(storepath.DefaultDir, loadFrom(parsed(t)))
	hash := func(p storepath.Path) [32]byte {
		sum, err := m.Hash(p)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if hash("/gnu/store/dcbflfj9780pj440vcbj1pvlgrd7fl1b-src.drv") != hash("/gnu/store/wwn4bsii29h0j9gm138b9k1ji3mqwqi7-src.drv") {
		t.Error("two ways to the same fixed output differ")
	}
	if hash("/gnu/store/wr7w7fa0x1p0iy4y9m6x2zkcxij5cq7g-a.drv") != hash("/gnu/store/jbypn4lf2hvl6gnsfp8r9vbwjvkry3mi-a.drv") {
		t.Error("derivations that depend on them differ")
	}
	if hash("/gnu/store/3z06kqj959qvrj4h5pbs15hh32y3z9hq-same.drv") == hash("/gnu/store/8m2g06m77wx0mpgl8gvj96zjsk53964b-diff.drv") {
		t.Error("different derivations have the same hash")
	}
}

// chain returns a load function for derivations that each have the next one as
// their input, and the path of the i-th.
func chain(load func(i int) (*Derivation, error)) (func(storepath.Path) (*Derivation, error), func(int) storepath.Path) {
	path := func(i int) storepath.Path {
		return storepath.Path(fmt.Sprintf("/gnu/store/%032d-x.drv", i))
	}
	return func(p storepath.Path) (*Derivation, error) {
		var i int
		if _, err := fmt.Sscanf(p.HashPart(), "%d", &i); err != nil {
			return nil, err
		}
		d, err := load(i)
		if err != nil {
			return nil, err
		}
		d.Inputs = append(d.Inputs, Input{Path: path(i + 1), Outputs: []string{"out"}})
		return d, nil
	}, path
}

func TestHashOfDeepGraph(t *testing.T) {
	const depth = 50_000
	loads := 0
	load, path := chain(func(i int) (*Derivation, error) {
		loads++
		d := &Derivation{Outputs: []Output{{Name: "out"}}}
		if i == depth {
			d.Outputs[0] = Output{Name: "out", HashAlgo: "sha256", Hash: "00"} // and its inputs do not matter
		}
		return d, nil
	})
	m := NewModulo(storepath.DefaultDir, load)
	first, err := m.Hash(path(0))
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Hash(path(0))
	if again != first || err != nil {
		t.Errorf("got %x, %v the second time, want %x", again, err, first)
	}
	if _, err := m.Hash(path(depth / 2)); err != nil {
		t.Error(err)
	}
	if loads != depth+1 {
		t.Errorf("got %d derivations loaded, want each of %d once", loads, depth+1)
	}
}

func TestHashOfCycle(t *testing.T) {
	load, path := chain(func(i int) (*Derivation, error) {
		d := &Derivation{Outputs: []Output{{Name: "out"}}}
		if i == 3 {
			d.Inputs = []Input{{Path: "/gnu/store/00000000000000000000000000000001-x.drv"}}
		}
		return d, nil
	})
	_, err := NewModulo(storepath.DefaultDir, load).Hash(path(0))
	if err == nil || !strings.Contains(err.Error(), string(path(1))+" depends on itself") {
		t.Errorf("got %v, want an error about %s", err, path(1))
	}
}

// An input that cannot be loaded now may be there later: the failure is told,
// but not remembered.
func TestHashAfterFailedLoad(t *testing.T) {
	gone := true
	load, path := chain(func(i int) (*Derivation, error) {
		switch {
		case i == 2 && gone:
			return nil, os.ErrNotExist
		case i == 3:
			return &Derivation{Outputs: []Output{{Name: "out", HashAlgo: "sha256", Hash: "00"}}}, nil
		}
		return &Derivation{Outputs: []Output{{Name: "out"}}}, nil
	})
	m := NewModulo(storepath.DefaultDir, load)
	for _, i := range []int{0, 2} {
		_, err := m.Hash(path(i))
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), string(path(2))) {
			t.Errorf("got %v, want an error about %s", err, path(2))
		}
	}
	gone = false
	if _, err := m.Hash(path(0)); err != nil {
		t.Error(err)
	}
}
