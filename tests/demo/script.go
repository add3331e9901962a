package main

import (
	"fmt"
	"strings"
)

// script is what builds a package. It really needs its inputs: it reads what
// they installed, and what it installs refers to them.
func script(p pkg) string {
	if p.fate != nil {
		return functions + p.fate.script(p)
	}
	return functions + configure(p) + compile(p, p.takes*6/10) + runTests(p) + install(p)
}

const functions = `
pause() { usleep "$(($1 * 1000))"; }
phase() { echo "starting phase '$1'"; }
`

func configure(p pkg) string {
	var b strings.Builder
	b.WriteString("phase configure\necho 'checking for gcc... gcc'\n")
	for _, need := range p.needs {
		fmt.Fprintf(&b, "echo \"checking for %s... $(cat \"%s/version\")\"\n", need, input(need))
	}
	fmt.Fprintf(&b, "pause %d\n", p.takes*2/10)
	return b.String()
}

// input is the shell variable with the output of a package that is needed.
func input(name string) string { return "$in_" + strings.ReplaceAll(name, "-", "_") }

func compile(p pkg, milliseconds int) string {
	files := []string{"init", "arith", "core", "io"}
	var b strings.Builder
	b.WriteString("phase build\n")
	for _, file := range files {
		fmt.Fprintf(&b, "echo '  CC       src/%s.lo'; pause %d\n", file, milliseconds/len(files))
	}
	fmt.Fprintf(&b, "echo '  CCLD     lib%s.la'\n", strings.TrimPrefix(p.name, "demo-"))
	return b.String()
}

func runTests(p pkg) string {
	return fmt.Sprintf("phase check\npause %d\necho 'PASS: all %d tests'\n", p.takes*2/10, 10+p.takes/7)
}

func install(p pkg) string {
	var b strings.Builder
	b.WriteString("phase install\nmkdir \"$out\"\necho 1.0 >\"$out/version\"\n")
	for _, need := range p.needs {
		fmt.Fprintf(&b, "echo \"%s\" >>\"$out/inputs\"\n", input(need))
	}
	return b.String()
}

// compileError: the sources do not fit the library that they are built with.
var compileError = &flaw{
	plan:     "its sources do not compile",
	evidence: "error: too few arguments to function 'mpfr_set_z'",
	script: func(p pkg) string {
		return configure(p) + fmt.Sprintf(`
phase build
for file in fmpz/add fmpz_poly/mul fmpz_mat/lll; do
  echo "  CC       $file.lo"; pause %d
done
cat <<'END'
fmpz_mat/lll.c: In function 'fmpz_mat_lll':
fmpz_mat/lll.c:214:15: error: too few arguments to function 'mpfr_set_z'
  214 |         err = mpfr_set_z(x, v);
      |               ^~~~~~~~~~
mpfr.h:512:5: note: declared here
make[1]: *** [Makefile:318: fmpz_mat/lll.lo] Error 1
make: *** [Makefile:142: all] Error 2
error: in phase 'build': uncaught exception:
%%exception #<&invoke-error program: "make" arguments: () exit-status: 2>
END
exit 1
`, p.takes*8/10/3)
	},
}

// failingTest: it compiles, but one test of many does not pass.
var failingTest = &flaw{
	plan:     "one of its tests fails",
	evidence: "1 failed, 411 passed",
	script: func(p pkg) string {
		return configure(p) + compile(p, p.takes*5/10) + fmt.Sprintf(`
phase check
echo "collected 412 items"
pause %d
cat <<'END'
linalg/tests/test_decomp.py .....................F......
>       assert_allclose(svdvals(a), expected, rtol=1e-12)
E       AssertionError: Not equal to tolerance rtol=1e-12, atol=0
FAILED linalg/tests/test_decomp.py::TestSVD::test_single_column
1 failed, 411 passed in 0.27s
error: in phase 'check': uncaught exception:
%%exception #<&invoke-error program: "pytest" arguments: () exit-status: 1>
END
exit 2
`, p.takes*3/10)
	},
}

// missingOutput: the builder is content, but what it made is elsewhere.
var missingOutput = &flaw{
	plan:     "it installs to the wrong place",
	evidence: "failed to produce output path",
	script: func(p pkg) string {
		return configure(p) + compile(p, p.takes*6/10) + runTests(p) + `
phase install
mkdir -p usr/local/lib
echo "installing libceres.a to $PWD/usr/local/lib"
`
	},
}

// wrongHash: a download, which is a derivation with a fixed output, gets
// something else than was promised. See promised.
var wrongHash = &flaw{
	plan:     "a download is not what it was",
	evidence: "hash mismatch",
	script: func(p pkg) string {
		return fmt.Sprintf(`
echo "downloading octave-9.2.0.tar.xz"
pause %d
echo "what upstream offers today" >"$out"
`, p.takes*8/10)
	},
}

// promised is what wrongHash should have found.
const promised = "what upstream offered when the package was made\n"
