package main

import (
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

func TestTable(t *testing.T) {
	packages := []pkg{{name: "demo-gmp"}, {name: "demo-small"}, {name: "demo-flint"}, {name: "demo-ceres"},
		{name: "demo-octave-source"}, {name: "demo-sage"}, {name: "demo-odd"}}
	results := map[string]result{
		"demo-gmp": {outcome{state: daemon.Succeeded}, "0", ""},
		"demo-small": {outcome{state: daemon.Failed}, "10000000-0000-4000-8000-000000000000",
			"builder for `/gnu/store/fwfwpnk3gnzakhvnph69xd3nypgm0cbh-demo-small.drv' failed with exit code 1"},
		"demo-flint": {outcome{state: daemon.Failed}, "20000000-0000-4000-8000-000000000000",
			"builder for `/gnu/store/ss3hljfz542yidpl92dav05gxha6vj3y-demo-flint.drv' failed to produce output path " +
				"`/gnu/store/13kj9d3gzbl8p66q2kgh1cikw4rmx6qj-demo-flint'\n"},
		"demo-octave-source": {outcome{state: daemon.Failed}, "30000000-0000-4000-8000-000000000000",
			"`slirp4netns' can't be found\nhash mismatch for store item '/gnu/store/n9n2gam7kyh3i9mig1z0bjv0gma5izgf-demo-octave-source'"},
		"demo-ceres": {outcome{daemon.Blocked, []string{"demo-flint"}}, "4", ""},
		"demo-sage":  {outcome{daemon.Blocked, []string{"demo-flint", "demo-octave-source", "demo-small", "demo-very-long"}}, "5", ""},
		"demo-odd":   {outcome{state: daemon.Waiting}, "6", ""},
	}
	const want = `PACKAGE             STATE    WHY
demo-gmp            built
demo-small          failed   with exit code 1
demo-flint          failed   to produce output path ` + "`demo-flint'" + `
demo-ceres          blocked  by demo-flint
demo-octave-source  failed   hash mismatch for store item 'demo-octave-source'
demo-sage           blocked  by demo-flint, demo-octave-source, demo-small,
                             demo-very-long
demo-odd            waiting

1 built, 3 failed, 2 blocked, of 7.

FAILED              BLOCKS   BUILD
demo-flint          2        20000000-0000-4000-8000-000000000000
demo-small          1        10000000-0000-4000-8000-000000000000
demo-octave-source  1        30000000-0000-4000-8000-000000000000
`
	var got strings.Builder
	(&screen{w: &got}).table(packages, results)
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
	for line := range strings.Lines(got.String()) {
		if len(line) > columns+1 {
			t.Errorf("too long: %q", line)
		}
	}
	got.Reset()
	(&screen{w: &got, colour: true}).table(packages[:1], results)
	if !strings.Contains(got.String(), "demo-gmp            \x1b[32mbuilt    \x1b[m\n") {
		t.Errorf("got %q, want colour", got.String())
	}
}

func TestALongCommandTakesTwoLines(t *testing.T) {
	var got strings.Builder
	s := &screen{w: &got}
	s.prompt([]string{"tbfg", "build", "wait"})
	s.prompt([]string{"tbfg", "build", "--with-inputs", strings.Repeat("x", 70)})
	want := "$ tbfg build wait\n$ tbfg build --with-inputs \\\n    " + strings.Repeat("x", 70) + "\n"
	if got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

func TestLinesOfProgressAreShown(t *testing.T) {
	var got []string
	l := &lines{prefix: "guix-root: ", show: func(line string) { got = append(got, line) }}
	for _, p := range []string{"I: Retrieving\nguix-ro", "ot: making", " a root\n", "guix-root: done\nrest"} {
		if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if strings.Join(got, "|") != "making a root|done" {
		t.Errorf("got %q", got)
	}
}
