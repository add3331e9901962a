package collection

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

func drvPath(n int, name string) string { return fmt.Sprintf("/gnu/store/%032d-%s.drv", n, name) }

func TestEveryPackageHasANameOfItsOwn(t *testing.T) {
	x86 := func(name, version, variable string, n int) Found {
		return Found{Name: name, Version: version, Variable: variable, System: "x86_64-linux", Derivation: drvPath(n, name+"-"+version)}
	}
	for _, tt := range []struct {
		name  string
		found []Found
		want  string
	}{
		{"one", []Found{x86("hello", "2.12", "hello", 1)}, "hello=1"},
		{"the newest has the name alone", []Found{x86("hdf5", "1.8.23", "hdf5-1.8", 1), x86("hdf5", "1.14.3", "hdf5-1.14", 2), x86("hdf5", "1.10.9", "hdf5-1.10", 3)},
			"hdf5=2 hdf5@1.10.9=3 hdf5@1.8.23=1"},
		{"variants of one version", []Found{x86("flint", "3", "flint-b", 2), x86("flint", "3", "flint-a", 1), x86("flint", "2", "flint-2", 3)},
			"flint=1 flint@3=2 flint@2=3"},
		{"many variants", []Found{x86("a", "1", "v", 1), x86("a", "1", "w", 2), x86("a", "1", "x", 3)}, "a=1 a@1=2 a@1 (2)=3"},
		{"the same twice", []Found{x86("hello", "2.12", "hello", 1), x86("hello", "2.12", "hello-again", 1)}, "hello=1"},
		{"no version", []Found{x86("a", "", "", 1), x86("a", "", "", 2)}, "a=1 a (2)=2"},
	} {
		var got []string
		for _, e := range name(tt.found) {
			got = append(got, e.Package+"="+strings.TrimLeft(e.Derivation.HashPart(), "0"))
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestSystemsHaveNamesApart(t *testing.T) {
	list := name([]Found{{Name: "a", Version: "1", System: "i686-linux", Derivation: drvPath(1, "a-1")}, {Name: "a", Version: "1", System: "x86_64-linux", Derivation: drvPath(2, "a-1")},
		{Name: "a", Version: "1", System: "x86_64-linux", Target: "aarch64-linux-gnu", Error: strings.Repeat("é", 3000)}})
	for _, e := range list {
		if e.Package != "a" || len(e.Error) > maxError+len("…") {
			t.Errorf("got %q with an error of %d bytes", e.Package, len(e.Error))
		}
	}
}

func TestVersionsAndNames(t *testing.T) {
	for _, tt := range []struct {
		older, newer string
	}{{"1.9", "1.10"}, {"1", "1.0"}, {"1.0-rc1", "1.0-rc2"}, {"2", "10"}, {"1.a", "1.b"}, {"", "0"}, {"1.007", "1.8"}} {
		if compareVersions(tt.older, tt.newer) >= 0 || compareVersions(tt.newer, tt.older) <= 0 {
			t.Errorf("%q is not older than %q", tt.older, tt.newer)
		}
	}
	if compareVersions("1.07", "1.7") != 0 {
		t.Error("a zero in front counts")
	}
	for full, want := range map[string]string{"hello-2.12": "hello 2.12", "python-numpy-1.26": "python-numpy 1.26", "4ti2-1.6.12": "4ti2 1.6.12", "x": "x ",
		"gcc-toolchain-14.3-pre-1": "gcc-toolchain 14.3-pre-1"} {
		name, version := split(storepath.Path(drvPath(1, full)))
		if got := name + " " + version; got != want {
			t.Errorf("%s: got %q, want %q", full, got, want)
		}
	}
}

func TestChoices(t *testing.T) {
	for _, tt := range []struct {
		name    string
		c       daemon.Collection
		yes, no []string // NAME VERSION FILE
		request string   // for guix, a part of it
		fails   string
	}{
		{name: "everything", c: daemon.Collection{}, yes: []string{"a 1 f.scm"}},
		{name: "names and patterns", c: daemon.Collection{Packages: []string{"hello", "gcc@14", "python-*"}},
			yes: []string{"hello 2 f.scm", "gcc 14 f.scm", "python-x 1 f.scm"}, no: []string{"gcc 13 f.scm", "python 3 f.scm"},
			request: `(names . ("hello" "gcc@14")) (globs . ("^python-.*$"))`},
		{name: "modules in both spellings", c: daemon.Collection{Modules: []string{"gnu/packages/maths.scm", "(gnu packages algebra)"}},
			yes: []string{"a 1 gnu/packages/maths.scm", "a 1 gnu/packages/algebra.scm"}, no: []string{"a 1 gnu/packages/c.scm"},
			request: `(modules . (("gnu" "packages" "maths") ("gnu" "packages" "algebra")))`},
		{name: "a team", c: daemon.Collection{Team: "science"},
			yes: []string{"a 1 gnu/packages/maths.scm", "a 1 gnu/packages/fortran-xyz.scm"}, no: []string{"a 1 gnu/packages/mathscm", "a 1 gnu/packages/c.scm"},
			request: `"^gnu/packages/fortran(-.+|)\\.scm$"`},
		{name: "a team that there is not", c: daemon.Collection{Team: "cooks"}, fails: "there is no team \"cooks\"; known are ai, audio"},
		{name: "a pattern that is none", c: daemon.Collection{Packages: []string{"[a"}}, fails: "not a pattern"},
		{name: "quotes", c: daemon.Collection{Packages: []string{`a"b\c`}}, request: `(names . ("a\"b\\c"))`},
	} {
		w, err := choiceOf(&tt.c)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		for want, list := range map[bool][]string{true: tt.yes, false: tt.no} {
			for _, p := range list {
				f := strings.Fields(p)
				if got := w.has(f[0], f[1], f[2]); got != want {
					t.Errorf("%s: %s: got %t, want %t", tt.name, p, got, want)
				}
			}
		}
		if request, err := guixRequest(&tt.c); err != nil || !strings.Contains(request, tt.request) {
			t.Errorf("%s: got the request %s, %v, want one with %s", tt.name, request, err, tt.request)
		}
	}
}

func TestWhatGuixPrints(t *testing.T) {
	head := `{"guix":"1.5.0","commits":["7c2f37388796167c3eae38f90ccbe833be876b80"]}` + "\n"
	one := `{"name":"hello","version":"2.12","variable":"hello","system":"x86_64-linux","target":"","derivation":"` + drvPath(1, "hello-2.12") + `"}` + "\n"
	broken := `{"name":"broken","error":"unbound variable: gcc"}` + "\n"
	end := `{"end":true}` + "\n"
	for _, tt := range []struct {
		name, text string
		found      int
		ended      bool
		fails      string
	}{
		{"all of it", head + one + broken + end, 2, true, ""},
		{"killed in the middle", head + one, 1, false, ""},
		{"rubbish", head + "Backtrace:\n", 0, false, "a line makes no sense"},
		{"neither derivation nor error", `{"name":"x"}` + "\n", 0, false, "neither a derivation nor an error"},
		{"something after the end", end + one, 0, true, "something follows the end"},
		{"a line without end", `{"name":"` + strings.Repeat("x", maxLine) + `"}`, 0, false, "too long"},
	} {
		var e evaluation
		err := e.read(strings.NewReader(tt.text))
		if len(e.found) != tt.found || e.ended != tt.ended || (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: got %d packages, ended %t, %v", tt.name, len(e.found), e.ended, err)
		}
	}
	e := evaluation{guix: "1.5.0", found: []Found{{Name: "x", Error: "y"}}}
	plain, local := e.revision(&daemon.Collection{}), e.revision(&daemon.Collection{LoadPath: []string{"/l"}})
	e.commits = []string{"7c2f37388796167c3eae38f90ccbe833be876b80"}
	if commit := e.revision(&daemon.Collection{}); plain != "1.5.0" || len(local) != len("1.5.0+")+12 || commit != "7c2f37388796" {
		t.Errorf("got the revisions %q, %q and %q", plain, local, commit)
	}
}

func FuzzGuixLines(f *testing.F) {
	f.Add(`{"guix":"1.5.0","commits":[]}` + "\n" + `{"name":"a","derivation":"/gnu/store/x.drv"}` + "\n" + `{"end":true}`)
	f.Add(`{"name":"a","error":"\u0000"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var e evaluation
		_ = e.read(strings.NewReader(text)) // no panic
		list := name(e.found)
		seen := make(map[[3]string]bool)
		for _, p := range list {
			key := [3]string{p.Package, p.System, p.Target}
			if seen[key] {
				t.Fatalf("two packages are called %q", key)
			}
			seen[key] = true
		}
	})
}

func FuzzDerivationFiles(f *testing.F) {
	f.Add("# comment\n\n" + drvPath(1, "hello-2.12") + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := readDerivations(strings.NewReader(text))
		for _, one := range found {
			if err == nil && !storepath.Path(one.Derivation).IsDerivation() {
				t.Fatalf("got %q", one.Derivation)
			}
		}
	})
}

func TestTheTeamsAreSound(t *testing.T) {
	if Teams.Date == "" || len(Teams.Teams["science"]) == 0 {
		t.Errorf("got %+v", Teams)
	}
	text, err := json.Marshal(Teams)
	if err != nil || strings.Contains(string(text), "guix/") { // only packages' modules
		t.Errorf("got %s, %v", text, err)
	}
}
