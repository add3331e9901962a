package system

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

func TestGarbageCollectionSparesWhatIsBuilt(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, nil)
	lib := h.add(toy.Recipe{Name: "lib", Outputs: []string{"out", "unused"}, Script: `echo precious >"$out"; echo >"$unused"`})
	app := h.add(g.recipe("app", `cat "$in_lib"; cp "$in_lib" "$out"`, lib))
	garbage := h.add(toy.Recipe{Name: "garbage", Script: `echo >"$out"`})
	h.build(garbage)
	f.waitState(daemon.Succeeded, f.submit(lib)...)
	build := f.submit(app)[0]
	g.waitCount("app", 1)

	// From here on only the agent keeps anything.
	h.closeShop()
	gone := func(paths ...storepath.Path) bool {
		t.Helper()
		valid, err := h.dial().QueryValidPaths(h.ctx, paths)
		if err != nil {
			t.Fatal(err)
		}
		return len(valid) == 0
	}
	// The daemon's servant of the shop needs a moment to go.
	collected := 0
	eventually(t, "garbage is collected", func() bool {
		h.do("guix", "gc")
		collected++
		return gone(garbage.Path, garbage.Out())
	})
	h.do("guix", "gc")
	g.open("app")
	for b := f.show(build); !b.State.Finished(); b = f.show(build) {
		h.do("guix", "gc")
		collected++
	}
	b := f.show(build)
	if b.State != daemon.Succeeded || len(b.Outputs) != 1 || b.Outputs[0].Hash == "" {
		t.Fatalf("got %+v, want a success", b)
	}
	f.checkLog("app", b)
	if log := h.gunzip(stateDir + "/build-logs/" + build + "/log.gz"); !strings.Contains(log, "\nprecious\n") {
		t.Errorf("got the log %q, want the input's contents in it", log)
	}
	// Had the agent not kept it, it would have been collected.
	eventually(t, "the inputs are collected afterwards", func() bool {
		h.do("guix", "gc")
		return gone(app.Path, lib.Path, lib.Out(), lib.Outputs["unused"])
	})
	t.Logf("%d collections during the build", collected)
}

func TestGarbageCollectionSparesWhatIsFetched(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, h := newBuilder(t), newHost(t)
	lib := server.add(toy.Recipe{Name: "lib", Script: `echo precious >"$out"`})
	server.build(lib)
	app := server.add(toy.Recipe{Name: "app", Inputs: []*toy.Drv{lib}, Script: `cat "$in_lib" | tee "$out"`})
	published, err := server.Publish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	h.startDaemon("--substitute-urls=" + published.URL)
	f := newFarm(h, func(conf *config.Config) {
		quickRetry(conf)
		conf.Coordinator.DerivationURLs = []string{published.URL}
	})
	h.conn = h.dial()

	// The garbage collector runs all the time.
	collector := h.dial()
	var collecting errgroup.Group
	enough := make(chan struct{})
	collections := 0
	collecting.Go(func() error {
		for ; ; collections++ {
			select {
			case <-enough:
				return nil
			default:
			}
			if _, _, err := collector.CollectGarbage(ctx, guixdaemon.GCDeleteDead, nil, 0); err != nil {
				return err
			}
		}
	})

	// Anybody can tell the coordinator what to build; what a machine takes
	// from whom is for its owner to say.
	build := f.submit(app)[0]
	f.waitState(daemon.Deferred, build)
	failure := f.show(build).SetupFailures[0]
	if failure.Reason != "could_not_fetch_derivation" || !slices.Equal(failure.MissingInputs, []string{string(app.Path)}) {
		t.Errorf("got %+v, want that the derivation could not be fetched", failure)
	}
	if err := h.Authorize(ctx, published.Key); err != nil {
		t.Fatal(err)
	}
	f.waitState(daemon.Succeeded, build)
	close(enough)
	if err := collecting.Wait(); err != nil {
		t.Error(err)
	}
	f.checkLog("app", f.show(build))
	t.Logf("%d collections meanwhile", collections)
}

// The collector looks at lasting roots first, which count if what they are of
// is there, then for seconds at all processes, and then at temporary roots.
func TestGarbageCollectionSparesWhatIsBuiltWhileItLooks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// It has guix look at the processes.
	h.write("/usr/bin/guix-itself", h.read("/usr/bin/guix"), 0o755)
	h.write("/usr/bin/guix", `#!/bin/sh
if [ "$1 $2" = "gc --list-busy" ]; then
	: >/tmp/looking
	until [ -e /tmp/go-on ]; do sleep 0.1; done
fi
exec /usr/bin/guix-itself "$@"
`, 0o755)
	h.startDaemon()
	h.openShop()
	g := newGate(h)
	f := newFarm(h, nil)
	app := h.add(g.recipe("app", ""))
	if err := os.Symlink(string(app.Out()), h.Path("/var/guix/gcroots")+"/app"); err != nil {
		t.Fatal(err)
	}
	build := f.submit(app)[0]
	g.waitCount("app", 1)
	var collecting errgroup.Group
	collector := h.dial()
	collecting.Go(func() error {
		_, _, err := collector.CollectGarbage(h.ctx, guixdaemon.GCDeleteDead, nil, 0)
		return err
	})
	eventually(t, "the collector looks at the processes", func() bool {
		_, err := os.Stat(h.Path("/tmp/looking"))
		return err == nil
	})
	g.open("app")
	f.waitState(daemon.Succeeded, build)
	h.write("/tmp/go-on", "", 0o644)
	if err := collecting.Wait(); err != nil {
		t.Fatal(err)
	}
	if valid, err := h.conn.IsValidPath(h.ctx, app.Out()); !valid || err != nil {
		t.Errorf("what was built: got %v, %v, want it there", valid, err)
	}
}
