package agent

import (
	"slices"
	"testing"
)

func TestAnAgentIsConfiguredWhileItRuns(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1)}
	a := f.newAgent(t.Output(), nil)
	stop := f.run(a)
	f.wait("it waits for more", func() bool { return len(f.fetches) == 2 })
	set := a.Config.Settings
	set.Systems, set.MaxParallelBuilds, set.MaxAllocatedBuilds = []string{"i686-linux"}, 4, 0
	set.InputURLs = []string{"https://bordeaux.guix.gnu.org"}
	before := a.current.Load()
	if err := a.Configure(set); err != nil {
		t.Fatal(err)
	}
	f.wait("it asks anew", func() bool {
		last := f.fetches[len(f.fetches)-1]
		return slices.Equal(last.Systems, set.Systems) && *last.Target == 8
	})
	now := a.current.Load()
	if now.derivations != before.derivations || now.others == before.others {
		t.Error("got others than want: only what fetches inputs is another")
	}
	set.MaxParallelBuilds = 0
	if err := a.Configure(set); err == nil {
		t.Error("got no error for an agent that may build nothing")
	}
	if got := a.Report(); got.Parallel != 4 || len(got.Builds) != 1 {
		t.Errorf("got %+v, want 4 builds in parallel and the one that was there", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestARetiredAgentEnds(t *testing.T) {
	f := newFake(t)
	ended := make(chan error, 1)
	a := f.newAgent(t.Output(), nil)
	go func() { ended <- a.Run(t.Context()) }()
	f.wait("it waits for builds", func() bool { return len(f.fetches) == 2 })
	a.Retire()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if last := f.fetches[len(f.fetches)-1]; *last.Target != 0 {
		t.Errorf("got the last question %+v, want one for nothing", last)
	}
}
