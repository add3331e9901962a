package derivation

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// TestReal reads all the derivations of a real store: some thousand that Guix
// made and its daemon checked. The directory is either a store or a copy of
// its .drv files, with all that they depend on.
func TestReal(t *testing.T) {
	const variable = "TBFG_REAL_DRVS"
	dir := os.Getenv(variable)
	if dir == "" {
		// tests/system runs this test on thousands, and fails if it can't.
		t.Skipf("%s names no directory of real derivations to test on", variable)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.drv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no derivations in %s: %v", dir, err)
	}

	start := time.Now()
	all := make(map[storepath.Path][]byte, len(files))
	size := 0
	for _, file := range files {
		p, err := storepath.DefaultDir.Object(filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if all[p], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		size += len(all[p])
	}
	t.Logf("read %d derivations, %d bytes, in %v", len(all), size, time.Since(start))

	start = time.Now()
	drvs := make(map[storepath.Path]*Derivation, len(all))
	for p, data := range all {
		d, err := Parse(data)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		drvs[p] = d
	}
	parsing := time.Since(start)
	t.Logf("parsed them in %v: %.0f a second", parsing, float64(len(drvs))/parsing.Seconds())

	start = time.Now()
	var buf []byte
	for p, d := range drvs {
		if buf = d.Append(buf[:0]); !bytes.Equal(buf, all[p]) {
			t.Errorf("%s: got the text\n%q, want\n%q", p, buf, all[p])
		}
		got, err := d.StorePath(p.Dir(), strings.TrimSuffix(p.Name(), ".drv"))
		if got != p || err != nil {
			t.Errorf("path of %s: got %s, %v", p, got, err)
		}
	}
	t.Logf("printed them twice and computed their own paths in %v", time.Since(start))

	start = time.Now()
	outputs := checkOutputs(t, drvs)
	t.Logf("computed %d output paths in %v", outputs, time.Since(start))
}

// checkOutputs compares the output paths of derivations, which are all that
// they depend on, with those computed from hashes modulo fixed outputs. It
// returns their number.
func checkOutputs(t *testing.T, drvs map[storepath.Path]*Derivation) (outputs int) {
	t.Helper()
	m := NewModulo(storepath.DefaultDir, loadFrom(drvs))
	for p, d := range drvs {
		paths, err := m.OutputPaths(d, strings.TrimSuffix(p.Name(), ".drv"))
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		for i, path := range paths {
			if want := d.Outputs[i].Path; path != want {
				t.Errorf("output %q of %s: got %s, want %s", d.Outputs[i].Name, p, path, want)
			}
		}
		outputs += len(paths)
	}
	return outputs
}

// loadFrom is the load function of a Modulo over derivations in memory.
func loadFrom(drvs map[storepath.Path]*Derivation) func(storepath.Path) (*Derivation, error) {
	return func(p storepath.Path) (*Derivation, error) {
		if d := drvs[p]; d != nil {
			return d, nil
		}
		return nil, os.ErrNotExist
	}
}
