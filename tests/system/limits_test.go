package system

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

func TestBuildsAreLimited(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, func(conf *config.Config) {
		conf.LocalAgent.MaxParallelBuilds = 4
		conf.LocalAgent.Cores = 3
		conf.LocalAgent.MaxSilentTime = config.Duration(1)
	})
	for _, test := range []struct {
		name, script string
		tags         []daemon.Tag
		failure      string // none if empty
	}{
		{"silent", `sleep 1000; echo >"$out"`, nil, "after 1 seconds of silence"},
		{"patient", `sleep 3; echo >"$out"`, []daemon.Tag{{Key: "max-silent-time", Value: "10m"}}, ""},
		{"endless", `while :; do echo busy; usleep 200000; done`, []daemon.Tag{{Key: "timeout", Value: "2"}}, "timed out after "},
		{"cores", `echo "$NIX_BUILD_CORES" | tee "$out"; test "$NIX_BUILD_CORES" = 3`, nil, ""},
	} {
		drv := h.add(toy.Recipe{Name: test.name, Script: test.script})
		done, err := f.Submit(f.ctx, daemon.Submission{Derivation: drv.Path, Tags: test.tags})
		if err != nil {
			t.Fatal(err)
		}
		if test.failure == "" {
			f.waitState(daemon.Succeeded, done.Submitted)
			continue
		}
		f.waitState(daemon.Failed, done.Submitted)
		if got := f.show(done.Submitted).FailureReason; !strings.HasPrefix(got, "timeout: ") || !strings.Contains(got, test.failure) {
			t.Errorf("%s: got the reason %q, want a timeout %s", test.name, got, test.failure)
		}
	}
	eventually(t, "the builders' processes are gone", func() bool { return !running("sleep", "1000") })
}

// running tells whether a process with exactly these arguments lives.
func running(args ...string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if bytes.Equal(line, []byte(strings.Join(args, "\x00")+"\x00")) {
			return true
		}
	}
	return false
}

func TestASystemThatTheDaemonDoesNotBuildFor(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	const strange = "i586-gnu" // no kernel of ours runs the Hurd's programs
	f := newFarm(h, quickRetry, func(conf *config.Config) { conf.LocalAgent.Systems = []string{toy.System(), strange} })
	build := f.submit(h.add(toy.Recipe{Name: "strange", Script: `echo >"$out"`, System: strange}))[0]
	h.waitLine(f.serve, "the guix-daemon does not build for a system; no more such builds are asked for.*system="+strange)
	f.waitState(daemon.Ready, build) // after a second, for another agent
	if got := f.show(build).SetupFailures; len(got) != 1 || got[0].Reason != "unsupported_platform" {
		t.Errorf("got %+v, want one setup failure: an unsupported platform", got)
	}
	f.waitState(daemon.Succeeded, f.submit(h.add(toy.Recipe{Name: "usual", Script: `echo >"$out"`}))...)
	if got := f.show(build); got.State != daemon.Ready || len(got.SetupFailures) != 1 {
		t.Errorf("got %+v, want it untouched", got)
	}
}

func TestExistingOutputsCanBeAccepted(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, func(conf *config.Config) { conf.LocalAgent.AllowExisting = true })
	drv := h.add(g.recipe("once", ""))
	g.open("once")
	f.waitState(daemon.Succeeded, f.submit(drv)...)
	build := f.submit(drv)[0]
	f.waitState(daemon.Succeeded, build)
	f.checkOutputs("once", f.show(build), drv)
	if got := g.count("once"); got != 1 {
		t.Errorf("it was built %d times, want once", got)
	}
}

func TestAnAgentWithAFullDiskWaits(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly)
	spool := h.Path("/spool")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", spool, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(spool, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	id, password := f.newAgent("full")
	agent := f.startAgent(h, id, password, func(conf *config.Config) {
		conf.Agent.SpoolDir, conf.Agent.MinFree = "/spool", 16<<20
	})
	h.waitLine(agent, `no more builds are asked for or begun: /spool has 8 MB left, less than min_free_space \(16 MB\)`)
	build := f.submit(h.add(toy.Recipe{Name: "waits", Script: `echo >"$out"`}))[0]
	h.waitLine(agent, "currently allocated 0 builds")
	if said := f.tbfg("agent", "list", "--json"); !strings.Contains(said.out, `"low on disk space"`) {
		t.Errorf("agent list: got %+v, want it to say why it waits", said)
	}
	if b := f.show(build); b.State != daemon.Ready {
		t.Errorf("got %+v, want it to wait", b)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.waitState(daemon.Succeeded, build)
	h.waitLine(agent, "there is room for builds again")
}
