package collection

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Found is what a source knows of a package: a derivation or an error.
type Found struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Variable   string `json:"variable"` // of Scheme; may be empty
	System     string `json:"system"`   // empty if the source does not know it
	Target     string `json:"target"`
	Derivation string `json:"derivation"`
	Error      string `json:"error"`
}

// Limits of what a source may have.
const (
	maxPackages = 500_000
	maxError    = 2000 // bytes
)

// name gives every package a name of its own, by which it is known in later
// evaluations: its name or, where another of that name is newer, with its
// version, as guix build takes it. Packages of the same name and version are
// numbered by their variables. Of the same package found twice one is left.
func name(found []Found) []daemon.Evaluated {
	sorted := slices.Clone(found)
	slices.SortFunc(sorted, func(a, b Found) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.System, b.System), strings.Compare(a.Target, b.Target),
			-compareVersions(a.Version, b.Version), strings.Compare(a.Variable, b.Variable), strings.Compare(a.Derivation, b.Derivation))
	})
	type place struct{ name, system, target string }
	used := make(map[place]int)
	var list []daemon.Evaluated
	var last Found
	for _, f := range sorted {
		if same := f; len(list) > 0 {
			if same.Variable = last.Variable; same == last {
				continue
			}
		}
		e := daemon.Evaluated{Package: f.Name, System: f.System, Target: f.Target,
			Derivation: storepath.Path(f.Derivation), Error: clip(f.Error, maxError)}
		at := func() place { return place{e.Package, e.System, e.Target} }
		if used[at()]++; used[at()] > 1 && f.Version != "" {
			e.Package = f.Name + "@" + f.Version
			used[at()]++
		}
		if n := used[at()]; n > 1 {
			e.Package = fmt.Sprintf("%s (%d)", e.Package, n)
		}
		list = append(list, e)
		last = f
	}
	return list
}

// compareVersions tells which of two versions is newer: numbers in them count
// as numbers.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many digits a text begins with.
func digits(s string) (n int) {
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// split takes a derivation's file name apart as Guix does: the version begins
// after the first hyphen that a digit follows.
func split(p storepath.Path) (name, version string) {
	full := strings.TrimSuffix(p.Name(), ".drv")
	for i := 0; i+1 < len(full); i++ {
		if full[i] == '-' && digits(full[i+1:]) > 0 && i > 0 {
			return full[:i], full[i+1:]
		}
	}
	return full, ""
}

// clip is the beginning of a text, valid UTF-8.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
