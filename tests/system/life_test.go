package system

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

func TestMissingInputsAreBuilt(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, quickRetry)
	deep := h.add(toy.Recipe{Name: "deep", Script: `echo deep >"$out"`})
	lib := h.add(toy.Recipe{Name: "lib", Inputs: []*toy.Drv{deep}, Script: `cat "$in_deep" >"$out"`})
	app := h.add(toy.Recipe{Name: "app", Inputs: []*toy.Drv{lib}, Script: `cat "$in_lib" >"$out"`})
	build := f.submit(app)[0]
	f.waitState(daemon.Succeeded, build)
	f.checkOutputs("app", f.show(build), app)
	names := make(map[string]int)
	for _, b := range f.waitOver() {
		if b.State != daemon.Succeeded {
			t.Errorf("%s: got %s, want it to succeed", b.Derivation, b.State)
		}
		names[b.Derivation.Name()]++
	}
	if len(names) != 3 || names["deep.drv"] != 1 || names["lib.drv"] != 1 || names["app.drv"] != 1 {
		t.Errorf("got the builds %v, want one of each", names)
	}
}

func TestACanceledBuildIsStopped(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, func(conf *config.Config) { conf.LocalAgent.MaxParallelBuilds = 1 })
	r := g.recipe("slow", "")
	r.Script = "sleep 54321 &\n" + r.Script
	slow, next := h.add(r), h.add(g.recipe("next", ""))
	builds := f.submit(slow, next)
	g.waitCount("slow", 1)
	if said := f.tbfg("build", "cancel", builds[0]); said.status != 0 {
		t.Fatalf("build cancel: got %+v", said)
	}
	f.waitState(daemon.Canceled, builds[0])
	eventually(t, "the builder is gone with its processes", func() bool { return !g.here("slow") && !running("sleep", "54321") })
	g.open("next")
	f.waitState(daemon.Succeeded, builds[1]) // the place was free at once
	if g.count("slow") != 1 {
		t.Errorf("got %d builders of the canceled build, want 1", g.count("slow"))
	}

	again := f.tbfg("build", "retry", builds[0])
	if again.status != 0 {
		t.Fatalf("build retry: got %+v", again)
	}
	g.open("slow")
	for _, b := range f.waitOver() {
		if b.UUID != builds[0] && b.State != daemon.Succeeded {
			t.Errorf("%s: got %s, want it to succeed", b.Derivation, b.State)
		}
	}
	h.checkValid(slow)
}

func (h *host) checkValid(drv *toy.Drv) {
	h.t.Helper()
	if valid, err := h.conn.IsValidPath(h.ctx, drv.Out()); !valid || err != nil {
		h.t.Errorf("%s: got %v, %v, want it built", drv.Path, valid, err)
	}
}

func TestAnAgentEnrolsWithAToken(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly)
	token := strings.TrimSpace(strings.TrimPrefix(f.tbfg("token", "new").out, "new token: "))
	h.write("/etc/tbfg/token", token+"\n", 0o600)
	run := func() { // each time a process of its own
		p := h.launch("agent", h.Command(h.ctx, "tbfg", "agent", "run", "--coordinator="+f.agentURL,
			"--name=cloud", "--dynamic-auth-token-file=/etc/tbfg/token", "--max-1min-load-average=1000"))
		drv := h.add(toy.Recipe{Name: fmt.Sprintf("by-%d", p.Pid()), Script: `echo >"$out"`})
		f.waitState(daemon.Succeeded, f.submit(drv)...)
		h.stop(p)
	}
	run()
	run()
	agents, err := f.Agents(h.ctx)
	if err != nil || len(agents) != 1 || agents[0].Name != "cloud" {
		t.Fatalf("got the agents %+v, %v, want the one that enrolled, once", agents, err)
	}
}

func TestHooksAreTold(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	h.write("/etc/tbfg/hook", "#!/bin/sh\ncat >>/var/lib/tbfg/told\n", 0o755)
	f := newFarm(h, func(conf *config.Config) {
		conf.Hooks.Each = []config.Hook{{Name: "record", Command: []string{"/etc/tbfg/hook"},
			Events: []string{daemon.BuildSubmitted, daemon.BuildStarted, daemon.BuildSuccess, daemon.BuildFailure}}}
	})
	builds := f.submit(h.add(toy.Recipe{Name: "good", Script: `echo >"$out"`}), h.add(toy.Recipe{Name: "bad", Script: "exit 1"}))
	f.waitOver()
	want := map[string]string{
		builds[0]: "build-submitted build-started build-success ",
		builds[1]: "build-submitted build-started build-failure ",
	}
	got := make(map[string]string)
	eventually(t, "the hook was told of everything", func() bool {
		clear(got)
		for line := range strings.Lines(h.read("/var/lib/tbfg/told")) {
			var e daemon.Event
			if json.Unmarshal([]byte(line), &e) == nil {
				got[e.Build] += e.Name + " "
			}
		}
		return len(got[builds[0]]) >= len(want[builds[0]]) && len(got[builds[1]]) >= len(want[builds[1]])
	})
	for build := range want {
		if got[build] != want[build] {
			t.Errorf("build %s: got the events %q, want %q", build, got[build], want[build])
		}
	}
}
