package system

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// Derivations come from one server and inputs from another, whose key the
// machine does not know at first.
func TestInputsAreFetchedOnceBeforeTheirBuildsTurn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, h := newBuilder(t), newBuilder(t)
	inputs, err := server.Publish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var libs []*toy.Drv
	for i := range 6 {
		r := toy.Recipe{Name: fmt.Sprintf("lib-%d", i), Script: fmt.Sprintf(`echo %d >"$out"`, i)}
		server.build(server.add(r))
		libs = append(libs, h.add(r))
	}
	g := newGate(h)
	f := newFarm(h, quickRetry, func(conf *config.Config) {
		conf.Coordinator.SubmitMissing = false
		conf.LocalAgent.MaxParallelBuilds = 1
		conf.LocalAgent.MaxAllocatedBuilds = 4
		conf.LocalAgent.InputURLs = []string{inputs.URL}
	})

	// What nobody trusts is missing, and the farm says what to do.
	early := f.submit(h.add(toy.Recipe{Name: "early", Inputs: libs[:2], Script: `cat "$in_lib_0" "$in_lib_1" >"$out"`}))[0]
	f.waitState(daemon.Deferred, early)
	want := []string{string(libs[0].Out()), string(libs[1].Out())}
	slices.Sort(want)
	if got := f.show(early).SetupFailures[0]; got.Reason != "missing_inputs" || !slices.Equal(got.MissingInputs, want) {
		t.Errorf("got %+v, want %q missing", got, want)
	}
	for _, who := range []string{"in=local-agent", "details="} { // the agent and the coordinator
		h.waitLine(f.serve, inputs.URL+` offers .*-lib-[01], but its signature is by a key that is not authorised on this machine; `+
			`to trust that server, fetch `+inputs.URL+`/signing-key.pub and run as root: guix archive --authorize < signing-key.pub.*`)
		if output, err := f.serve.Output(); err != nil || !strings.Contains(output, who) {
			t.Errorf("got the log\n%s, %v\nwant a line with %s", output, err, who)
		}
	}
	if said := f.tbfg("build", "show", early); !strings.Contains(said.out, "guix archive --authorize < signing-key.pub") {
		t.Errorf("build show: got %+v, want it to say what to do", said)
	}
	if err := h.Authorize(ctx, inputs.Key); err != nil {
		t.Fatal(err)
	}
	f.waitState(daemon.Succeeded, early)

	// One build runs, two that share inputs wait for their turn.
	builds := f.submit(h.add(g.recipe("first", "")))
	g.waitCount("first", 1)
	for i := range 2 {
		builds = append(builds, f.submit(h.add(toy.Recipe{Name: fmt.Sprintf("next-%d", i), Inputs: libs[2:], Script: `cat "$in_lib_5" >"$out"`}))...)
	}
	var needed []storepath.Path
	for _, lib := range libs[2:] {
		needed = append(needed, lib.Out())
	}
	eventually(t, "the inputs of the next ones are there", func() bool {
		valid, err := h.conn.QueryValidPaths(ctx, needed)
		if err != nil {
			t.Fatal(err)
		}
		return len(valid) == len(needed)
	})
	f.waitState(daemon.Allocated, builds[1:]...)
	g.open("first")
	f.waitState(daemon.Succeeded, builds...)
	output, err := inputs.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range needed {
		if n := strings.Count(output, "GET /nar/"); n == 0 {
			t.Fatalf("got the log of guix publish\n%s\nwant downloads in it", output)
		}
		if n := strings.Count(output, "/"+path.Base()+"\n"); n > 1 {
			t.Errorf("%s was fetched %d times, want once", path, n)
		}
	}
}

// "guix substitute" remembers what a server did not have, here for a day.
func TestAnInputThatComesLateIsHad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, h := newBuilder(t), newBuilder(t)
	published, err := server.Publish(ctx, "--negative-ttl=1d")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Authorize(ctx, published.Key); err != nil {
		t.Fatal(err)
	}
	r := toy.Recipe{Name: "lib", Script: `echo late >"$out"`}
	lib := h.add(r)
	f := newFarm(h, quickRetry, func(conf *config.Config) {
		conf.Coordinator.SubmitMissing = false
		conf.LocalAgent.InputURLs = []string{published.URL}
	})
	build := f.submit(h.add(toy.Recipe{Name: "app", Inputs: []*toy.Drv{lib}, Script: `cat "$in_lib" >"$out"`}))[0]
	f.waitState(daemon.Deferred, build)
	server.build(server.add(r))
	f.waitState(daemon.Succeeded, build)
	h.waitLine(f.serve, "a server has by now what guix-daemon remembered it did not.* item="+string(lib.Out()))
}
