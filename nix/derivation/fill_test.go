package derivation

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// unfilled is what a fixture was before its paths were known, and in disorder.
func unfilled(d *Derivation) *Derivation {
	u := *d
	u.Outputs = slices.Clone(d.Outputs)
	u.Env = slices.Clone(d.Env)
	for i, o := range u.Outputs {
		u.Outputs[i].Path = ""
		u.Env = slices.DeleteFunc(u.Env, func(v EnvVar) bool { return v.Name == o.Name })
	}
	u.Inputs = slices.Clone(d.Inputs)
	for i, in := range u.Inputs {
		u.Inputs[i].Outputs = slices.Clone(in.Outputs)
		slices.Reverse(u.Inputs[i].Outputs)
	}
	u.Sources = slices.Clone(d.Sources)
	slices.Reverse(u.Outputs)
	slices.Reverse(u.Inputs)
	slices.Reverse(u.Sources)
	slices.Reverse(u.Env)
	return &u
}

func TestFill(t *testing.T) {
	drvs := parsed(t)
	m := NewModulo(storepath.DefaultDir, loadFrom(drvs))
	for p, want := range drvs {
		if !closed(drvs, p) {
			continue
		}
		got := unfilled(want)
		if err := got.Fill(m, strings.TrimSuffix(p.Name(), ".drv")); err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if diff := cmp.Diff(string(want.Bytes()), string(got.Bytes())); diff != "" {
			t.Errorf("%s (-want +got)\n%s", p, diff)
		}
	}
}

// The wanted path is the daemon's: Guix computes another one, as if the first
// output were fixed, and the daemon then refuses the derivation, saying so.
func TestHashOfAnotherOutputFixesNothing(t *testing.T) {
	const x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // SHA-256 of "x"
	for _, tt := range []struct {
		outputs []string
		want    storepath.Path
	}{
		{[]string{"lib"}, "/gnu/store/68y6vc4gah30pyincln8sqa4x4dkxix2-mf-lib"},
		{[]string{"out", "lib"}, "/gnu/store/qsr0cvrq8fn7vasz862rvcn5qfg9lf9g-mf-lib"},
	} {
		d := &Derivation{System: "x86_64-linux", Builder: "/bin/a"}
		for _, name := range tt.outputs {
			d.Outputs = append(d.Outputs, Output{Name: name, HashAlgo: "sha256", Hash: x})
		}
		if err := d.Fill(NewModulo(storepath.DefaultDir, nil), "mf"); err != nil {
			t.Fatal(err)
		}
		if got := d.Outputs[0].Path; got != tt.want {
			t.Errorf("outputs %q: got %s, want %s", tt.outputs, got, tt.want)
		}
	}
}

func TestFillInAnotherStore(t *testing.T) {
	const dir = storepath.Dir("/tmp/store")
	src := &Derivation{
		Outputs: []Output{{Name: "out", HashAlgo: "r:sha256", Hash: strings.Repeat("00", 32)}},
		Builder: "builtin:download",
	}
	drvs := make(map[storepath.Path]*Derivation)
	m := NewModulo(dir, loadFrom(drvs))
	if err := src.Fill(m, "src"); err != nil {
		t.Fatal(err)
	}
	p, err := src.StorePath(dir, "src")
	if err != nil {
		t.Fatal(err)
	}
	drvs[p] = src
	d := &Derivation{
		Outputs: []Output{{Name: "out"}, {Name: "doc"}},
		Inputs:  []Input{{Path: p, Outputs: []string{"out"}}},
		Sources: []storepath.Path{src.Outputs[0].Path},
		Builder: "/bin/sh",
	}
	if err := d.Fill(m, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(d.Bytes()); err != nil {
		t.Error(err)
	}
	for i, name := range []string{"x-doc", "x"} {
		o := d.Outputs[i]
		if o.Path.Name() != name || o.Path.Dir() != dir {
			t.Errorf("got the output %q, want the name %s in %s", o.Path, name, dir)
		}
		if v := d.Env[i]; v.Name != o.Name || v.Value != string(o.Path) {
			t.Errorf("got the variable %q, want that of %q", v, o)
		}
	}
}

func TestFillRefuses(t *testing.T) {
	out := []Output{{Name: "out"}}
	source := storepath.Path("/gnu/store/00000000000000000000000000000000-s")
	tests := []struct {
		name string
		drv  Derivation
		as   string
		want string
	}{
		{"no outputs", Derivation{}, "x", "no outputs"},
		{"an output twice", Derivation{Outputs: []Output{{Name: "out"}, {Name: "out"}}}, "x", "twice"},
		{"an output with a slash", Derivation{Outputs: []Output{{Name: "a/b"}}}, "x", "not allowed"},
		{"a bad name", Derivation{Outputs: out}, ".x", "starts with a dot"},
		{"a bad name of a fixed output", Derivation{Outputs: []Output{{Name: "out", HashAlgo: "md5", Hash: strings.Repeat("0", 32)}}}, "", "name is empty"},
		{"a hash that is none", Derivation{Outputs: []Output{{Name: "out", HashAlgo: "md5", Hash: "x"}}}, "x", "hash of the output"},
		{"a hash in upper case", Derivation{Outputs: []Output{{Name: "out", HashAlgo: "md5", Hash: strings.Repeat("F", 32)}}}, "x", "lower-case"},
		{"a source twice", Derivation{Outputs: out, Sources: []storepath.Path{source, source}}, "x", "twice"},
		{"an input that is no derivation", Derivation{Outputs: out, Inputs: []Input{{Path: source}}}, "x", "no such input"},
		{"a variable twice", Derivation{Outputs: out, Env: []EnvVar{{"A", ""}, {"A", ""}}}, "x", "twice"},
		{"a NUL", Derivation{Outputs: out, Args: []string{"a\x00"}}, "x", "unescaped"},
	}
	none := func(storepath.Path) (*Derivation, error) { return nil, errors.New("no such input") }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.drv
			err := d.Fill(NewModulo(storepath.DefaultDir, none), tt.as)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if diff := cmp.Diff(tt.drv, d); diff != "" {
				t.Errorf("the derivation was changed (-before +after)\n%s", diff)
			}
		})
	}
}
