package system

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/tests/toy"

	"github.com/klauspost/compress/zstd"
)

const spoolDir = "/var/lib/agent-spool"

func inSpoolDir(conf *config.Config) { conf.Agent.SpoolDir = spoolDir }

func keepOutputs(conf *config.Config) { conf.Coordinator.KeepOutputs = true }

// record is what an agent's spool has of a build.
func (h *host) record(build string) (r spool.Record) {
	h.t.Helper()
	text := h.read(spoolDir + "/" + build + "/record")
	if text == "" {
		return r
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// spooled are the builds of which an agent's spool has something.
func (h *host) spooled() []string {
	h.t.Helper()
	left, err := filepath.Glob(h.Path(spoolDir) + "/*-*")
	if err != nil {
		h.t.Fatal(err)
	}
	return left
}

// checkKept compares the outputs that the coordinator keeps with those in the
// store of a builder.
func (f *farm) checkKept(on *host, build, compression string, drv *toy.Drv) {
	f.t.Helper()
	b := f.show(build)
	if len(b.Outputs) != len(drv.Outputs) {
		f.t.Errorf("got the outputs %+v, want %d", b.Outputs, len(drv.Outputs))
	}
	for _, o := range b.Outputs {
		f.checkKeptOutput(build, compression, o)
		info, err := on.conn.QueryPathInfo(f.ctx, drv.Outputs[o.Name])
		if err != nil {
			f.t.Fatal(err)
		}
		if o.Size != int64(info.NarSize) {
			f.t.Errorf("output %s: got the size %d, want %d", o.Name, o.Size, info.NarSize)
		}
	}
}

// checkKeptOutput compares an output that the coordinator keeps with what the
// build's result says.
func (f *farm) checkKeptOutput(build, compression string, o wire.BuildOutput) {
	f.t.Helper()
	m, err := outputs.New(f.Path(stateDir+"/builds"), 1<<40).Meta(build, o.Name)
	if err != nil {
		f.t.Error(err)
		return
	}
	data, err := os.Open(f.Path(stateDir + "/builds/" + build + "/outputs/" + m.File))
	if err != nil {
		f.t.Fatal(err)
	}
	defer data.Close()
	var archive io.Reader = data
	switch compression {
	case "zstd":
		z, err := zstd.NewReader(data)
		if err != nil {
			f.t.Fatal(err)
		}
		defer z.Close()
		archive = z
	case "lzip":
		archive = lzip.NewReader(data)
	}
	sum := sha256.New()
	size, err := io.Copy(sum, archive)
	hash := "sha256:" + base32.Encode(sum.Sum(nil))
	if err != nil || m.Size != size || m.Hash != hash || m.Size != o.Size || m.Hash != o.Hash || m.Compression != compression {
		f.t.Errorf("output %s: got %+v, and the file has %d bytes with %s, %v; want %s of %+v", o.Name, m, size, hash, err, compression, o)
	}
}

func TestOutputsAreKeptAndThenFreeForTheCollector(t *testing.T) {
	t.Parallel()
	for _, compression := range []string{"lzip", "zstd", "none"} {
		t.Run(compression, func(t *testing.T) {
			h := newBuilder(t)
			f := newFarm(h, keepOutputs, func(conf *config.Config) { conf.LocalAgent.Compression = compression })
			drv := h.add(toy.Recipe{Name: "kept", Outputs: []string{"out", "doc"},
				Script: `mkdir "$out" "$doc"; dd if=/dev/urandom of="$out"/random bs=1000000 count=3; echo text >"$doc"/text; ln -s "$doc" "$out"/doc`})
			builds := f.submit(drv)
			f.waitState(daemon.Succeeded, builds...)
			f.checkKept(h, builds[0], compression, drv)
			f.checkLog("kept", f.show(builds[0]))
			// The result is there a moment before the roots go.
			eventually(t, "nothing keeps the outputs in the store", func() bool {
				roots, err := h.conn.FindRoots(h.ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range roots {
					if r.Target == drv.Outputs["out"] || r.Target == drv.Outputs["doc"] {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestALogIsThereWhileTheBuildRuns(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h)
	builds := f.submit(h.add(g.recipe("talker", "")))
	live := stateDir + "/build-logs/" + builds[0] + "/live"
	eventually(t, "the log begins", func() bool { return strings.Contains(h.read(live), "talker is at the gate\n") })
	g.open("talker")
	f.waitState(daemon.Succeeded, builds...)
	f.checkLog("talker", f.show(builds[0]))
	if h.read(live) != "" {
		t.Error("the log is under way still")
	}
}

func TestLogsOfEveryKindArrive(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, func(conf *config.Config) { conf.LocalAgent.MaxLogSize = 30_000_000 })
	// Other tests on this machine may have such a builder, too.
	babble := fmt.Sprintf("a builder that only prints, of %d", os.Getpid())
	scripts := map[string]string{
		"nul":     `printf 'one\0two\n\0\0\r\n\377\033[31m'; dd if=/dev/urandom bs=100000 count=10; echo >"$out"`,
		"lines":   `yes "a line of a log" | head -n 500000; echo >"$out"`,
		"no-line": `yes a | tr -d '\n' | head -c 20000000; echo >"$out"`,
		"nothing": `echo >"$out"`,
		"much":    fmt.Sprintf("yes %q", babble),
	}
	drvs := make(map[string]*toy.Drv)
	builds := make(map[string]string)
	for name, script := range scripts {
		drvs[name] = h.add(toy.Recipe{Name: name, Script: script})
		builds[name] = f.submit(drvs[name])[0]
	}
	for name := range scripts {
		if name == "much" {
			f.waitState(daemon.Failed, builds[name])
			b := f.show(builds[name])
			if want := "the log is larger than 30000000 bytes"; b.FailureReason != want {
				t.Errorf("got the reason %q, want %q", b.FailureReason, want)
			}
			if got := f.gunzip(stateDir + "/build-logs/" + b.UUID + "/log.gz"); len(got) != 30_000_000 {
				t.Errorf("got %d bytes of its log, want those up to the limit", len(got))
			}
			continue
		}
		f.waitState(daemon.Succeeded, builds[name])
		f.checkLog(name, f.show(builds[name]))
	}
	eventually(t, "the builder that only prints is gone", func() bool {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			if line, _ := os.ReadFile(file); strings.HasPrefix(string(line), "yes\x00"+babble) {
				return false
			}
		}
		return true
	})
}

func TestAKilledAgentDeliversWhatItHasBuilt(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, coordinatorOnly, keepOutputs)
	id, password := f.newAgent("phoenix")
	agent := f.startAgent(h, id, password, inSpoolDir)
	drvs := []*toy.Drv{h.add(g.recipe("good", "")), h.add(g.recipe("bad", "false"))}
	builds := f.submit(drvs...)
	g.waitCount("good", 1)
	g.waitCount("bad", 1)
	// The coordinator is away while they end.
	f.serve.Kill()
	g.open("good")
	g.open("bad")
	eventually(t, "the results are in the spool", func() bool {
		return h.record(builds[0]).Result != nil && h.record(builds[1]).Result != nil
	})
	agent.Kill()
	// What was built is safe.
	h.closeShop()
	h.do("guix", "gc")
	h.openShop()
	f.start()
	f.waitState(daemon.Started, builds...)
	f.startAgent(h, id, password, inSpoolDir)
	f.waitState(daemon.Succeeded, builds[0])
	f.waitState(daemon.Failed, builds[1])
	f.checkHistory(map[string]daemon.State{builds[0]: daemon.Succeeded, builds[1]: daemon.Failed})
	if g.count("good") != 1 || g.count("bad") != 1 {
		t.Errorf("got %d and %d builders, want one each", g.count("good"), g.count("bad"))
	}
	for i, drv := range drvs {
		f.checkLog(drv.Path.Name(), f.show(builds[i]))
	}
	f.checkKept(h, builds[0], "lzip", drvs[0])
	eventually(t, "the spool is empty", func() bool { return len(h.spooled()) == 0 })
}

func TestWhatTheDaemonFinishedIsNotBuiltAgain(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, coordinatorOnly)
	id, password := f.newAgent("sleeper")
	agent := f.startAgent(h, id, password, inSpoolDir)
	drv := h.add(g.recipe("finished", ""))
	builds := f.submit(drv)
	g.waitCount("finished", 1)
	f.waitState(daemon.Started, builds...)
	// The agent hears nothing of the end.
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g.open("finished")
	eventually(t, "the daemon is done", func() bool {
		valid, err := h.conn.IsValidPath(h.ctx, drv.Out())
		if err != nil {
			t.Fatal(err)
		}
		return valid
	})
	agent.Kill()
	again := f.startAgent(h, id, password, inSpoolDir)
	f.waitState(daemon.Succeeded, builds...)
	h.waitLine(again, "was finished by guix-daemon meanwhile")
	if got := g.count("finished"); got != 1 {
		t.Errorf("it was built %d times, want once", got)
	}
	b := f.show(builds[0])
	f.checkHistory(map[string]daemon.State{builds[0]: daemon.Succeeded})
	f.checkLog("finished", b)
	f.checkOutputs("finished", b, drv)
}
