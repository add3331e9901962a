package coordinator_test

import (
	"flag"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	// With a real database a history takes a tenth of a second.
	// "go test -rapid.checks=1000" tries more of them.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	m.Run()
}

// view is all that a coordinator says of its builds and agents.
type view struct {
	Builds []daemon.BuildDetail
	Agents []daemon.Agent
}

func look(t *testing.T, f *coordinatortest.Farm) (v view) {
	t.Helper()
	builds, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	for _, b := range builds {
		d, err := f.Coordinator.Build(t.Context(), b.UUID)
		f.Must(err)
		v.Builds = append(v.Builds, d)
	}
	v.Agents, err = f.Agents(t.Context())
	f.Must(err)
	return v
}

// sameAfterRestart checks that a coordinator that starts on the database now
// says the same as the one that is running, and hands out the same builds in
// the same order until all have ended.
func sameAfterRestart(t *testing.T, f *coordinatortest.Farm) {
	t.Helper()
	twin := f.Twin()
	defer twin.Close()
	if diff := cmp.Diff(look(t, f), look(t, twin)); diff != "" {
		t.Fatalf("after a restart the builds differ (-running +restarted)\n%s", diff)
	}
	if diff := cmp.Diff(drain(t, f), drain(t, twin)); diff != "" {
		t.Fatalf("after a restart other builds are handed out (-running +restarted)\n%s", diff)
	}
	if diff := cmp.Diff(look(t, f), look(t, twin)); diff != "" {
		t.Fatalf("after a restart the builds end differently (-running +restarted)\n%s", diff)
	}
}

// drain ends all builds that can be had, and returns them in the order in
// which they were handed out.
func drain(t *testing.T, f *coordinatortest.Farm) (order []string) {
	t.Helper()
	agents, err := f.Agents(t.Context())
	f.Must(err)
	for {
		begun := len(order)
		for _, agent := range agents {
			held, err := f.FetchBuilds(t.Context(), agent.ID, coordinator.Fetch{
				Systems: []string{coordinatortest.System, "i686-linux"}, Target: 1, More: true})
			f.Must(err)
			for _, b := range held {
				order = append(order, b.UUID)
				f.Ended(agent.ID, b.UUID, b.UUID[35]%3 != 0)
			}
		}
		if len(order) == begun {
			return order
		}
	}
}

// machine does random things to a farm.
type machine struct {
	*coordinatortest.Farm
	t      *testing.T
	drvs   []storepath.Path
	agents []string
	builds []string
}

func newMachine(t *testing.T) *machine {
	f := coordinatortest.At(t, t.TempDir()+"/tbfg.db")
	m := &machine{Farm: f, t: t}
	fixed := []derivation.Output{{Name: "out", HashAlgo: "sha256", Hash: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}}
	source := f.Make("source", derivation.Derivation{Outputs: fixed})
	mirror := f.Make("source", derivation.Derivation{Outputs: fixed, Args: []string{"elsewhere"}}) // the same output
	patched := f.Make("source", derivation.Derivation{Outputs: fixed, Inputs: f.First(source)})    // needs what it makes
	lib := f.Derivation("lib", source)
	tool := f.Make("tool", derivation.Derivation{Inputs: f.First(mirror), Outputs: []derivation.Output{{Name: "lib"}, {Name: "out"}}})
	app := f.Make("app", derivation.Derivation{Inputs: append(f.First(lib, patched), derivation.Input{Path: tool, Outputs: []string{"out"}})})
	top := f.Derivation("top", app, tool, lib)
	other := f.Make("other", derivation.Derivation{System: "i686-linux", Inputs: f.First(tool)})
	m.drvs = []storepath.Path{source, mirror, patched, lib, tool, app, top, other}
	for _, name := range []string{"bedok", "marina"} {
		agent, err := f.NewAgent(t.Context(), "", name, "")
		f.Must(err)
		m.agents = append(m.agents, agent)
	}
	return m
}

// tolerate lets pass what an agent may hear that is wrong about a build.
func (m *machine) tolerate(err error) {
	m.t.Helper()
	if code := daemon.CodeOf(err); err != nil && code != daemon.Denied && code != daemon.Processed {
		m.t.Fatalf("got the error %v", err)
	}
}

// wake makes the coordinator look at the clock.
func (m *machine) wake() {
	for range 2 { // it does so after the first and before the second
		m.Must(m.ChangeAgent(m.t.Context(), m.agents[0], daemon.AgentChange{}))
	}
}

func (m *machine) actions() map[string]func(*rapid.T) {
	ctx := m.t.Context()
	agent := func(rt *rapid.T) string { return rapid.SampledFrom(m.agents).Draw(rt, "agent") }
	// A report is more often than not of a build that the agent holds.
	report := func(do func(rt *rapid.T, agent, uuid string) error) func(*rapid.T) {
		return func(rt *rapid.T) {
			id := agent(rt)
			builds := m.builds
			if a, err := m.Agent(ctx, id); err == nil && len(a.Allocated) > 0 && rapid.IntRange(0, 9).Draw(rt, "any") > 0 {
				builds = nil
				for _, b := range a.Allocated {
					builds = append(builds, b.UUID)
				}
			}
			if len(builds) > 0 {
				m.tolerate(do(rt, id, rapid.SampledFrom(builds).Draw(rt, "build")))
			}
		}
	}
	return map[string]func(*rapid.T){
		"submit": func(rt *rapid.T) {
			s := daemon.Submission{
				Derivation:             rapid.SampledFrom(m.drvs).Draw(rt, "derivation"),
				UUID:                   coordinatortest.UUID(len(m.builds)),
				Priority:               rapid.Int64Range(-1, 1).Draw(rt, "priority"),
				SkipIfOutputsHaveBuild: rapid.Bool().Draw(rt, "skip"),
			}
			if rapid.IntRange(0, 4).Draw(rt, "deferred") == 0 {
				s.NotBefore = m.Clock.Now().Add(rapid.SampledFrom([]time.Duration{-time.Hour, time.Minute, time.Hour}).Draw(rt, "until"))
			}
			done, err := m.Submit(ctx, s)
			m.Must(err)
			if done.UUID != "" {
				m.builds = append(m.builds, done.UUID)
			}
		},
		"fetch": func(rt *rapid.T) {
			systems := rapid.SampledFrom([][]string{{coordinatortest.System}, {"i686-linux"}, {coordinatortest.System, "i686-linux"}}).Draw(rt, "systems")
			_, err := m.FetchBuilds(ctx, agent(rt), coordinator.Fetch{Systems: systems, Target: rapid.IntRange(0, 4).Draw(rt, "target")})
			m.Must(err)
		},
		"fetch again": func(rt *rapid.T) {
			_, err := m.FetchBuilds(ctx, agent(rt), coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 2, More: true})
			m.Must(err)
		},
		"start": report(func(_ *rapid.T, agent, uuid string) error { return m.ReportStart(ctx, agent, uuid) }),
		"result": report(func(rt *rapid.T, agent, uuid string) error {
			return m.ReportResult(ctx, agent, uuid, daemon.Result{Success: rapid.Bool().Draw(rt, "success")})
		}),
		"setup failure": report(func(_ *rapid.T, agent, uuid string) error {
			return m.ReportSetupFailure(ctx, agent, uuid, daemon.SetupFailure{Reason: daemon.MissingInputs})
		}),
		"release": report(func(_ *rapid.T, agent, uuid string) error { return m.ReleaseBuild(ctx, agent, uuid) }),
		"wait": func(rt *rapid.T) {
			m.Clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(rt, "wait"))
			m.wake()
		},
		"change activity": func(rt *rapid.T) {
			active := rapid.IntRange(0, 3).Draw(rt, "active") > 0
			m.Must(m.ChangeAgent(ctx, agent(rt), daemon.AgentChange{Active: &active}))
		},
		"failing commit": func(rt *rapid.T) {
			before := look(m.t, m.Farm).Builds
			mend := m.FailCommits("builds")
			if _, err := m.Submit(ctx, daemon.Submission{Derivation: m.drvs[0]}); err == nil {
				rt.Fatalf("submit: got no error, want one")
			}
			mend()
			mend = m.FailCommits("allocated_builds")
			_, err := m.FetchBuilds(ctx, agent(rt), coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 9})
			mend()
			if diff := cmp.Diff(before, look(m.t, m.Farm).Builds); err != nil && diff != "" {
				rt.Fatalf("a commit that failed changed the builds (-before +after)\n%s", diff)
			}
		},
		"restart": func(rt *rapid.T) {
			before := look(m.t, m.Farm)
			m.Restart()
			if diff := cmp.Diff(before, look(m.t, m.Farm)); diff != "" {
				rt.Fatalf("a restart changed the builds (-before +after)\n%s", diff)
			}
		},
	}
}

// After any sequence of events a coordinator that starts on the database
// goes on exactly as the one that was running would have.
func TestARestartAtAnyMomentResumes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(t)
		defer m.Close()
		rt.Repeat(m.actions())
		m.wake()
		sameAfterRestart(t, m.Farm)
	})
}
