package derivation

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// fixtures reads testdata/drvs.
func fixtures(t testing.TB) map[storepath.Path][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/drvs/*.drv")
	if err != nil || len(files) < 12 {
		t.Fatalf("got %d derivations, %v", len(files), err)
	}
	texts := make(map[storepath.Path][]byte)
	for _, file := range files {
		p, err := storepath.DefaultDir.Object(filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if texts[p], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// parsed parses fixtures.
func parsed(t testing.TB) map[storepath.Path]*Derivation {
	t.Helper()
	drvs := make(map[storepath.Path]*Derivation)
	for p, text := range fixtures(t) {
		d, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		drvs[p] = d
	}
	return drvs
}

func TestParse(t *testing.T) {
	const modem = "/gnu/store/mghns7fxcv0085a22khlmdq4mq7kc7iq-modem-manager-1.22.0-checkout"
	drvs := parsed(t)
	tests := []struct {
		file storepath.Path
		want *Derivation
	}{
		{"/gnu/store/mmcjrgr78vlzaxsjzb7h6gibkbcl3qnc-esc.drv", &Derivation{
			Outputs: []Output{{Name: "out", Path: "/gnu/store/vlm9jimxybjzgy63pgj974zs1msp0nq2-esc"}},
			System:  "x86_64-linux",
			Builder: "/bin/a",
			Args:    []string{"a\nb\t\r\\\"\xe9"},
			Env: []EnvVar{
				{"empty", ""},
				{"out", "/gnu/store/vlm9jimxybjzgy63pgj974zs1msp0nq2-esc"},
				{"x y", "1\n2"},
			},
		}},
		{"/gnu/store/ypbp6vw14axdffzl6zsmaqccn95gnyyy-clash.drv", &Derivation{
			Outputs: []Output{
				{Name: "bin", Path: "/gnu/store/mzva64jabsw6hd4vks6dr19647knm5im-clash-bin"},
				{Name: "out", Path: "/gnu/store/ll9k5k5x8mqb1pgqrw7niil96z5173f9-clash"},
			},
			Inputs: []Input{
				{"/gnu/store/jbypn4lf2hvl6gnsfp8r9vbwjvkry3mi-a.drv", []string{"lib"}},
				{"/gnu/store/wr7w7fa0x1p0iy4y9m6x2zkcxij5cq7g-a.drv", []string{"out"}},
			},
			System:  "x86_64-linux",
			Builder: "/bin/a",
			Env: []EnvVar{
				{"a", "\t\n"},
				{"bin", "/gnu/store/mzva64jabsw6hd4vks6dr19647knm5im-clash-bin"},
				{"out", "/gnu/store/ll9k5k5x8mqb1pgqrw7niil96z5173f9-clash"},
				{"z", "ü\x01"},
			},
		}},
		{"/gnu/store/6hn1nhqqwcabkfzdwn981ydrhr8baz8i-nf.drv", &Derivation{
			Outputs: []Output{{
				Name:     "out",
				Path:     "/gnu/store/i89n47argrda8akwxwqi697bizhcyh3k-nf",
				HashAlgo: "r:sha3-256",
				Hash:     "741efa311f97686956946758e0d95f70f11ff2da4f2feb7c54314f44134ac49f",
			}},
			System:  "x86_64-linux",
			Builder: "/bin/a",
			Env:     []EnvVar{{"out", "/gnu/store/i89n47argrda8akwxwqi697bizhcyh3k-nf"}},
		}},
		{"/gnu/store/sqbnl3mwligv9fgknazjx7g8lkfv9z1m-modem-manager-1.22.0-checkout.drv", &Derivation{
			Outputs: []Output{{Name: "out", Path: modem}},
			Inputs: []Input{
				{"/gnu/store/13mfnsf82hbc8x6skdx6jywzvgm6zdp3-patch-2.7.6.drv", []string{"out"}},
				{"/gnu/store/4gr3sfaakkmhhcsvzbipc7d5l4w52hdv-zstd-1.5.6.drv", []string{"out"}},
				{"/gnu/store/73i639pm0p29d0218nz92m4c6zfslkh0-xz-5.4.5.drv", []string{"out"}},
				{"/gnu/store/c18zwjasa094gg9ngl5l4xkwwfqdh7lz-guile-3.0.9.drv", []string{"out"}},
				{"/gnu/store/cmrpqf49chpg4jkzbg08pl607084wiy6-tar-1.35.drv", []string{"out"}},
				{"/gnu/store/jqrfy7c6jlnixrq7qaqg9jh4dcnn2c4d-modem-manager-1.22.0-checkout.drv", []string{"out"}},
				{"/gnu/store/n2c1vzny7v5c5zq0m9bcbhvff52xz1rm-module-import-compiled.drv", []string{"out"}},
			},
			Sources: []storepath.Path{
				"/gnu/store/ab1aq7prnlsmjclvy8a8kzdwrsdcwcqf-modem-manager-fix-test-wrapper.patch",
				"/gnu/store/c6cf35bavqqs5mqsffl45izqaf0qn4dg-module-import",
				"/gnu/store/pwc1wv9cc1wvmrhdm8j4av7w2f2z68ry-modem-manager-1.22.0-checkout-builder",
			},
			System:  "x86_64-linux",
			Builder: "/gnu/store/77cxm55d0ns4d4gza1xnd4frb1bc4im3-guile-3.0.9/bin/guile",
			Args: []string{
				"--no-auto-compile",
				"-L", "/gnu/store/c6cf35bavqqs5mqsffl45izqaf0qn4dg-module-import",
				"-C", "/gnu/store/cgi508fr021b87yi9zh3k094w4xmahsd-module-import-compiled",
				"/gnu/store/pwc1wv9cc1wvmrhdm8j4av7w2f2z68ry-modem-manager-1.22.0-checkout-builder",
			},
			Env: []EnvVar{
				{"LC_CTYPE", "C.UTF-8"},
				{"guix properties", "((type . origin) (patches . 1))"},
				{"out", modem},
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.file.Name(), func(t *testing.T) {
			if diff := cmp.Diff(tt.want, drvs[tt.file]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFixed(t *testing.T) {
	fixed := []string{"src.drv", "nf.drv", "bash.drv", "mkdir.drv", "tar.drv", "xz.drv", "glibc-2.25.tar.xz.drv",
		"guile-2.0.14.tar.xz.drv", "suitesparse-5.13.0-checkout.drv"}
	for p, d := range parsed(t) {
		if got, want := d.Fixed(), slices.Contains(fixed, p.Name()); got != want {
			t.Errorf("%s: got %v, want %v", p, got, want)
		}
	}
	hashed := Output{Name: "lib", HashAlgo: "sha256", Hash: "00"}
	if d := (&Derivation{Outputs: []Output{hashed}}); d.Fixed() {
		t.Error("an output that is not called out makes a derivation fixed")
	}
	if d := (&Derivation{Outputs: []Output{hashed, {Name: "out", HashAlgo: "sha256", Hash: "00"}}}); d.Fixed() {
		t.Error("two outputs with hashes make a derivation fixed")
	}
}

func TestPrintReturnsWhatWasParsed(t *testing.T) {
	texts := fixtures(t)
	for p, d := range parsed(t) {
		if got := d.Bytes(); !bytes.Equal(got, texts[p]) {
			t.Errorf("%s: got\n%s\nwant\n%s", p, got, texts[p])
		}
		if got := d.Append([]byte("before")); string(got) != "before"+string(texts[p]) {
			t.Errorf("%s: Append does not append", p)
		}
	}
}

// The result outlives a buffer that is read into again and again, and lists of
// one input do not run into those of the next.
func TestParsedSharesNothing(t *testing.T) {
	for p, text := range fixtures(t) {
		data := slices.Clone(text)
		d, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		clear(data)
		for i := range d.Inputs {
			_ = append(d.Inputs[i].Outputs, "zz")
		}
		if !bytes.Equal(d.Bytes(), text) {
			t.Errorf("%s: got\n%s\nwant\n%s", p, d.Bytes(), text)
		}
	}
}

func TestLinksAreAllButArgumentsAndEnvironment(t *testing.T) {
	var got Links // used again and again
	for p, want := range parsed(t) {
		want.Args, want.Env = nil, nil
		err := got.Parse(fixtures(t)[p])
		if diff := cmp.Diff(want, &got.Derivation, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", p, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		h     = "/gnu/store/00000000000000000000000000000000-"
		good  = `Derive([("lib","` + h + `x-lib","",""),("out","` + h + `x","","")],[("` + h + `a.drv",["lib","out"]),("` + h + `b.drv",[])],["` + h + `s","` + h + `t"],"x86_64-linux","builtin:x",["b","a"],[("E","e\n"),("F","")])`
		fixed = `Derive([("out","` + h + `x","r:sha256","00ff")],[],[],"","",[],[])`
	)
	for _, text := range []string{good, fixed, strings.Replace(fixed, "00ff", "", 1)} {
		d, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.Bytes()); got != text {
			t.Fatalf("got %s, want %s", got, text)
		}
	}
	tests := []struct {
		name     string
		from, to string // what to replace in good, or in fixed
		want     string
	}{
		{"another term", "Derive(", "DrvWithVersion(", `offset 0: want "Derive("`},
		{"a blank between items", `"E",`, `"E", `, `offset 405: want "\"", not " \"e`},
		{"text after the end", `"")])`, `"")])` + "\n", "offset 422: 1 bytes too many"},
		{"no outputs", `("lib","` + h + `x-lib","",""),("out","` + h + `x","","")`, ``, "offset 7: no outputs"},
		{"outputs out of order", `("lib",`, `("zib",`, `offset 74: "out" stands after "zib"`},
		{"an output twice", `("lib",`, `("out",`, `offset 74: "out" occurs twice`},
		{"an output below an item", `x-lib"`, `x-lib/x"`, "offset 15: store path"},
		{"an output without a path", h + `x-lib`, ``, "not an absolute file name"},
		{"two stores", h + `b.drv`, strings.Replace(h, "gnu", "nix", 1) + `b.drv`, "not in the store /gnu/store"},
		{"an input that is no derivation", `b.drv`, `b.dry`, "is not a derivation"},
		{"inputs out of order", `a.drv`, `c.drv`, "b.drv\" stands after"},
		{"an input twice", `b.drv`, `a.drv`, "occurs twice"},
		{"an input's outputs out of order", `["lib",`, `["zib",`, `"out" stands after "zib"`},
		{"an input's output twice", `["lib",`, `["out",`, `"out" occurs twice`},
		{"an input without outputs", `,["lib","out"]`, ``, `want ",", not ")`},
		{"sources out of order", h + `s`, h + `u`, "stands after"},
		{"a source twice", h + `s`, h + `t`, "occurs twice"},
		{"a source that is no path", `"` + h + `s"`, `"s"`, "store path \"s\": not in the store"},
		{"a variable twice", `("E",`, `("F",`, `"F" occurs twice`},
		{"variables out of order", `("E",`, `("G",`, `"F" stands after "G"`},
		{"a comma too many in a list", `"a"]`, `"a",]`, `want "\"", not "]`},
		{"a comma in an empty list", `[])`, `[,])`, `want "\"", not ",]`},
		{"a list that is not closed", `"a"],`, `"a",`, `want "\"", not "[`},
		{"a newline as it is", `e\n`, "e\n", `offset 407: the character '\n' stands in a string unescaped`},
		{"a tab as it is", `e\n`, "e\t", "unescaped"},
		{"a NUL", `e\n`, "e\x00", "unescaped"},
		{"an escape that is not needed", `e\n`, `e\e`, `offset 407: unknown escape "\\e"`},
		{"a hash without an algorithm", `r:sha256`, ``, "a hash without an algorithm"},
		{"a hash in upper case", `00ff`, `00FF`, "not in lower-case hexadecimal"},
		{"a hash in base 32", `00ff`, `00fz`, "not in lower-case hexadecimal"},
		{"half a byte of hash", `00ff`, `00f`, "not in lower-case hexadecimal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.from, tt.to, 1)
			if text == good {
				text = strings.Replace(fixed, tt.from, tt.to, 1)
			}
			if text == fixed {
				t.Fatal("nothing was replaced")
			}
			d, err := Parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || d != nil {
				t.Errorf("got %v, %v, want an error with %q", d, err, tt.want)
			}
			if e := new(Links).Parse([]byte(text)); fmt.Sprint(e) != fmt.Sprint(err) {
				t.Errorf("only the links: got %v, want the error %v", e, err)
			}
		})
	}
	for i := range len(good) {
		if _, err := Parse([]byte(good[:i])); err == nil {
			t.Errorf("the first %d bytes are taken for a derivation", i)
		}
	}
}
