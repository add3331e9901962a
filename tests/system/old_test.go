package system

import (
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// Whoever has not run "guix pull" for years can build for the farm all the same.
func TestAnAgentBuildsWithGuix12(t *testing.T) {
	t.Parallel()
	h := newBuilder(t, machine.Bullseye)
	if version := h.do("guix-daemon", "--version"); !strings.Contains(version, " 1.2.") {
		t.Fatalf("got %s, want Guix 1.2", version)
	}
	f := newFarm(h, nil)
	lib := h.add(toy.Recipe{Name: "lib", Outputs: []string{"out", "dev"}, Script: `seq 5000; mkdir "$out"; ln -s "$out" "$dev"; printf 'no end'`})
	app := h.add(toy.Recipe{Name: "app", Inputs: []*toy.Drv{lib}, Script: `cat "$in_lib_dev" || ls -d "$in_lib_dev"/; echo "$in_lib" >"$out"`})
	bad := h.add(toy.Recipe{Name: "bad", Inputs: []*toy.Drv{lib}, Script: `echo going wrong; exit 7`})
	blocked := h.add(toy.Recipe{Name: "blocked", Inputs: []*toy.Drv{bad, app}, Script: `echo >"$out"`})
	drvs := []*toy.Drv{lib, app, bad, blocked}
	builds := f.submit(drvs...)
	for i, state := range []daemon.State{daemon.Succeeded, daemon.Succeeded, daemon.Failed, daemon.Blocked} {
		f.waitState(state, builds[i])
	}
	for i, drv := range drvs[:3] {
		f.checkLog(drv.Path.Name(), f.show(builds[i]))
	}
	f.checkOutputs("lib", f.show(builds[0]), lib)
	f.checkOutputs("app", f.show(builds[1]), app)
	if got := f.show(builds[2]).FailureReason; !strings.Contains(got, "failed with exit code 7") {
		t.Errorf("got the reason %q, want the exit code in it", got)
	}
}
