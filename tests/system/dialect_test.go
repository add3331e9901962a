package system

import (
	_ "embed"
	"regexp"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

//go:embed testdata/upstream-agent.scm
var upstreamAgent string

// TestAnAgentOfTheOriginalsDialectWorks has an agent that knows nothing of what
// is tbfg's own.
func TestAnAgentOfTheOriginalsDialectWorks(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly, keepOutputs)
	id, password := f.newAgent("guile")
	good := h.add(toy.Recipe{Name: "good", Outputs: []string{"out", "doc"},
		Script: `echo a log; dd if=/dev/urandom of="$out" bs=100000 count=3; echo text >"$doc"`})
	bad := h.add(toy.Recipe{Name: "bad", Script: "echo it fails; false"})
	builds := f.submit(good, bad)
	h.write("/root/agent.scm", upstreamAgent, 0o644)
	said := h.do("guix", "repl", "/root/agent.scm", f.agentURL, id, password, toy.System())

	f.waitState(daemon.Succeeded, builds[0])
	f.waitState(daemon.Failed, builds[1])
	f.checkHistory(map[string]daemon.State{builds[0]: daemon.Succeeded, builds[1]: daemon.Failed})
	f.checkOutputs("good", f.show(builds[0]), good)
	f.checkLog("good", f.show(builds[0]))
	f.checkLog("bad", f.show(builds[1]))
	f.checkKept(h, builds[0], "lzip", good)
	// How much of the first half came through before it asked is chance.
	if !regexp.MustCompile(`output out of \S+: \d+ of \d+ bytes are there`).MatchString(said) {
		t.Errorf("got %q, want it to tell of its uploads", said)
	}
}
