package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

func TestTheFarmBuildsAGraph(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	list := parts(t, g)
	f := newFarm(h, func(conf *config.Config) {
		conf.LocalAgent.Systems = []string{toy.System()}
		for _, p := range list {
			if p.System != "" {
				conf.LocalAgent.Systems = append(conf.LocalAgent.Systems, p.System)
			}
		}
	})
	drvs := make(map[string]*toy.Drv)
	for _, p := range list {
		for _, need := range p.needs {
			p.Inputs = append(p.Inputs, drvs[need])
		}
		drvs[p.Name] = h.add(p.Recipe)
	}

	var last []string
	for _, p := range tops(list) {
		last = append(last, string(drvs[p.Name].Path))
	}
	said := f.tbfg(append([]string{"build", "--with-inputs", "--tag=graph=1"}, last...)...)
	if said.status != 0 || strings.Count(said.out, "build submitted as ") != len(last) {
		t.Fatalf("got %+v, want %d builds", said, len(last))
	}

	want := foretell(list)
	uuids := make(map[storepath.Path]string)
	for _, b := range f.list("--tag=graph=1") {
		uuids[b.Derivation] = b.UUID
	}
	if len(uuids) != len(list) {
		t.Fatalf("got builds of %d derivations, want %d", len(uuids), len(list))
	}
	names := make(map[string]string) // by UUID
	for name, drv := range drvs {
		names[uuids[drv.Path]] = name
	}

	// The slow build keeps nobody waiting but those that need it.
	g.waitCount("slow", 1)
	for name, fate := range want {
		if name != "slow" && name != "after-slow" {
			f.waitState(fate.state, uuids[drvs[name].Path])
		}
	}
	if got := f.show(uuids[drvs["after-slow"].Path]); got.State != daemon.Waiting || names[strings.Join(got.WaitsFor, " ")] != "slow" {
		t.Errorf("after-slow: got %+v, want it to wait for slow", got)
	}
	g.open("slow")
	if said := f.tbfg("build", "wait"); said.status != 1 || !strings.Contains(said.err, fmt.Sprintf("%d of %[1]d builds over", len(list))) {
		t.Errorf("wait: got %+v, want status 1 since some failed", said)
	}

	got := make(map[string]fate)
	for _, b := range f.waitOver() {
		var by []string
		for _, uuid := range b.BlockedBy {
			by = append(by, names[uuid])
		}
		slices.Sort(by)
		got[names[b.UUID]] = fate{b.State, by}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(fate{})); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
	for _, p := range list {
		b := f.showJSON(uuids[drvs[p.Name].Path])
		switch want[p.Name].state {
		case daemon.Succeeded:
			f.checkOutputs(p.Name, b, drvs[p.Name])
			f.checkLog(p.Name, b)
		case daemon.Failed:
			if !strings.Contains(b.FailureReason, p.failure) {
				t.Errorf("%s: got the reason %q, want %q in it", p.Name, b.FailureReason, p.failure)
			}
			f.checkLog(p.Name, b)
		case daemon.Blocked:
			if said := f.tbfg("build", "log", b.UUID); said.status != 1 || len(b.Starts) > 0 {
				t.Errorf("%s: got %+v, %+v, want no start and no log", p.Name, b, said)
			}
		}
	}
	f.checkSummary(want)
}
