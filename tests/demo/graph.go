package main

import (
	"maps"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A pkg is a package of the imaginary team whose software the demo builds.
type pkg struct {
	name  string
	takes int   // milliseconds to build, about
	fate  *flaw // nil for a package that builds
	needs []string
}

// A flaw is a way to fail.
type flaw struct {
	plan   string // what goes wrong, for people
	script func(p pkg) string
	// evidence is what the log or the daemon's reason for the failure says if
	// the build fails in this way and no other.
	evidence string
}

// team lists the packages, each after those that it needs. The last one needs
// all others, directly or not: it is the one to ask the farm for.
var team = []pkg{
	{"demo-zlib", 300, nil, nil},
	{"demo-ncurses", 500, nil, nil},
	{"demo-readline", 300, nil, []string{"demo-ncurses"}},
	{"demo-gmp", 900, nil, nil},
	{"demo-openblas", 1400, nil, nil},
	{"demo-fftw", 800, nil, nil},
	{"demo-eigen", 200, nil, nil},
	{"demo-mpfr", 600, nil, []string{"demo-gmp"}},
	{"demo-mpc", 300, nil, []string{"demo-gmp", "demo-mpfr"}},
	{"demo-ntl", 500, nil, []string{"demo-gmp"}},
	{"demo-flint", 700, compileError, []string{"demo-gmp", "demo-mpfr", "demo-ntl"}},
	{"demo-arb", 600, nil, []string{"demo-flint", "demo-mpfr"}},
	{"demo-antic", 300, nil, []string{"demo-flint"}},
	{"demo-normaliz", 600, nil, []string{"demo-antic", "demo-gmp"}},
	{"demo-polymake", 900, nil, []string{"demo-normaliz", "demo-mpfr"}},
	{"demo-singular", 900, nil, []string{"demo-flint", "demo-ntl", "demo-readline"}},
	{"demo-symengine", 500, nil, []string{"demo-flint", "demo-mpc"}},
	{"demo-pari", 700, nil, []string{"demo-gmp", "demo-readline"}},
	{"demo-gap", 600, nil, []string{"demo-gmp", "demo-readline", "demo-zlib"}},
	{"demo-ecl", 500, nil, []string{"demo-gmp"}},
	{"demo-maxima", 700, nil, []string{"demo-ecl"}},
	{"demo-gsl", 500, nil, []string{"demo-openblas"}},
	{"demo-suitesparse", 800, nil, []string{"demo-gmp", "demo-mpfr", "demo-openblas"}},
	{"demo-ceres", 500, missingOutput, []string{"demo-eigen", "demo-suitesparse"}},
	{"demo-octave-source", 100, wrongHash, nil},
	{"demo-octave", 1200, nil, []string{"demo-fftw", "demo-gsl", "demo-octave-source", "demo-readline", "demo-suitesparse"}},
	{"demo-python", 1000, nil, []string{"demo-ncurses", "demo-readline", "demo-zlib"}},
	{"demo-cython", 400, nil, []string{"demo-python"}},
	{"demo-numpy", 700, nil, []string{"demo-cython", "demo-openblas"}},
	{"demo-scipy", 900, failingTest, []string{"demo-fftw", "demo-numpy"}},
	{"demo-networkx", 300, nil, []string{"demo-scipy"}},
	{"demo-scikit-learn", 700, nil, []string{"demo-scipy"}},
	{"demo-mpmath", 200, nil, []string{"demo-python"}},
	{"demo-sympy", 400, nil, []string{"demo-mpmath"}},
	{"demo-matplotlib", 600, nil, []string{"demo-numpy"}},
	{"demo-cvxopt", 400, nil, []string{"demo-numpy", "demo-suitesparse"}},
	{"demo-cypari", 400, nil, []string{"demo-cython", "demo-pari"}},
	{"demo-jupyter", 400, nil, []string{"demo-python"}},
	{"demo-sage", 1500, nil, []string{"demo-arb", "demo-cypari", "demo-gap", "demo-matplotlib", "demo-maxima",
		"demo-networkx", "demo-singular", "demo-sympy"}},
	{"demo-workstation", 200, nil, []string{"demo-ceres", "demo-cvxopt", "demo-jupyter", "demo-octave",
		"demo-polymake", "demo-sage", "demo-scikit-learn", "demo-symengine"}},
}

// An outcome is what becomes of a package's build.
type outcome struct {
	state daemon.State
	by    []string // names of the failed packages that block it, sorted
}

// foresee computes what will become of each package, from the list above alone:
// a farm that works must come to the same result.
func foresee(packages []pkg) map[string]outcome {
	all := make(map[string]outcome, len(packages))
	for _, p := range packages {
		blockers := make(map[string]bool)
		for _, need := range p.needs {
			switch o := all[need]; o.state {
			case daemon.Failed:
				blockers[need] = true
			case daemon.Blocked:
				for _, name := range o.by {
					blockers[name] = true
				}
			}
		}
		switch {
		case len(blockers) > 0:
			all[p.name] = outcome{daemon.Blocked, slices.Sorted(maps.Keys(blockers))}
		case p.fate != nil:
			all[p.name] = outcome{state: daemon.Failed}
		default:
			all[p.name] = outcome{state: daemon.Succeeded}
		}
	}
	return all
}
