package events_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever happens in the farm, a state that was read at some time and the events
// from its id on give the state of any later time.
func TestStateAndEventsGiveTheLaterState(t *testing.T) {
	dir, cases := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++
		h := open(t, filepath.Join(dir, fmt.Sprint(cases, ".db")))
		defer h.Close()
		defer h.end()
		rt.Repeat(h.actions(rt))
		h.compare(rt)
	})
}

// A history is a farm to which things happen.
type history struct {
	*coordinatortest.Farm
	t      *testing.T
	served *farm
	end    func() // of what serves it

	agents, builds []string
	drvs           []storepath.Path
	pictures       []picture // at some times
}

func open(t *testing.T, file string) *history {
	h := &history{Farm: coordinatortest.At(t, file), t: t}
	h.Change(func(c *coordinator.Config) {
		c.Lease, c.MaxLosses, c.MaxSetupFailures, c.RetryFailures, c.SubmitMissing = 10*time.Minute, 2, 2, 1, true
	})
	h.serve()
	h.pictures = append(h.pictures, h.served.picture())
	return h
}

func (h *history) serve() {
	scope := &scope{T: h.t}
	h.served = serve(scope, h.For(scope))
	h.end = scope.end
}

// scope is a part of a test with its own cleanups.
type scope struct {
	*testing.T
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) end() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}

// refused takes an error for what it is here: nothing has happened.
func (h *history) refused(rt *rapid.T, err error) {
	if err != nil && daemon.CodeOf(err) == "" {
		rt.Fatalf("got the error %v, want one with a code", err)
	}
}

func (h *history) actions(rt *rapid.T) map[string]func(*rapid.T) {
	ctx := h.t.Context()
	agent := func(rt *rapid.T) string {
		if len(h.agents) == 0 {
			rt.Skip("no agent")
		}
		return rapid.SampledFrom(h.agents).Draw(rt, "agent")
	}
	build := func(rt *rapid.T) string {
		if len(h.builds) == 0 {
			rt.Skip("no build")
		}
		return rapid.SampledFrom(h.builds).Draw(rt, "build")
	}
	// held is an agent with one of the builds that it holds.
	held := func(rt *rapid.T) (string, string) {
		id := agent(rt)
		a, err := h.Agent(ctx, id)
		h.Must(err)
		if len(a.Allocated) == 0 {
			rt.Skip("nothing held")
		}
		return id, rapid.SampledFrom(a.Allocated).Draw(rt, "held").UUID
	}
	tags := rapid.SliceOfN(rapid.SampledFrom([]daemon.Tag{{Key: "branch", Value: "master"}, {Key: "quotes", Value: `"ä\`}}), 0, 2)
	return map[string]func(*rapid.T){
		"add an agent": func(rt *rapid.T) {
			id, err := h.NewAgent(ctx, "", rapid.SampledFrom([]string{"", "bedok", `"ä"`}).Draw(rt, "name"), "")
			h.Must(err)
			h.agents = append(h.agents, id)
		},
		"change an agent": func(rt *rapid.T) {
			active, name, set := rapid.Bool().Draw(rt, "active"), rapid.StringN(0, 5, -1).Draw(rt, "name"), tags.Draw(rt, "tags")
			change := daemon.AgentChange{Active: &active}
			if rapid.Bool().Draw(rt, "more") {
				mode := rapid.SampledFrom(daemon.Modes).Draw(rt, "mode")
				change = daemon.AgentChange{Name: &name, Tags: &set, Mode: &mode}
			}
			h.Must(h.ChangeAgent(ctx, agent(rt), change))
		},
		"report a status": func(rt *rapid.T) {
			h.Clock.Advance(1500 * time.Millisecond)
			h.Must(h.ReportStatus(ctx, agent(rt), daemon.AgentStatus{Status: rapid.SampledFrom([]string{"idle", "running"}).Draw(rt, "status"),
				Load1Min: rapid.Float64Range(0, 64).Draw(rt, "load"), Processors: 4}))
		},
		"submit": func(rt *rapid.T) {
			var inputs []storepath.Path
			if len(h.drvs) > 0 && rapid.Bool().Draw(rt, "needs another") {
				inputs = append(inputs, rapid.SampledFrom(h.drvs).Draw(rt, "input"))
			}
			drv := h.Derivation(fmt.Sprint("package-", len(h.drvs)), inputs...)
			h.drvs = append(h.drvs, drv)
			done, err := h.Submit(ctx, daemon.Submission{Derivation: drv, Tags: tags.Draw(rt, "tags"), WithInputs: rapid.Bool().Draw(rt, "with inputs"),
				Priority: rapid.Int64Range(-1, 1).Draw(rt, "priority")})
			h.Must(err)
			h.builds = append(h.builds, done.UUID)
		},
		"fetch": func(rt *rapid.T) {
			systems := rapid.SampledFrom([][]string{{coordinatortest.System}, {coordinatortest.System, "i686-linux"}}).Draw(rt, "systems")
			_, err := h.FetchBuilds(ctx, agent(rt), coordinator.Fetch{Systems: systems, Target: rapid.IntRange(0, 4).Draw(rt, "target")})
			h.Must(err)
		},
		"start": func(rt *rapid.T) {
			id, uuid := held(rt)
			h.Must(h.ReportStart(ctx, id, uuid))
		},
		"end": func(rt *rapid.T) {
			id, uuid := held(rt)
			h.Must(h.ReportResult(ctx, id, uuid, daemon.Result{Success: rapid.Bool().Draw(rt, "success"), Ended: h.Clock.Now(), Reason: "reasons"}))
		},
		"end late": func(rt *rapid.T) { // what another may hold by now
			h.refused(rt, h.ReportResult(ctx, agent(rt), build(rt), daemon.Result{Success: true, Ended: h.Clock.Now()}))
		},
		"fail to set up": func(rt *rapid.T) {
			id, uuid := held(rt)
			failure := daemon.SetupFailure{Reason: daemon.CouldNotDelete}
			if rapid.Bool().Draw(rt, "missing") {
				failure = daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{h.Output(rapid.SampledFrom(h.drvs).Draw(rt, "of"), "out")}}
			}
			h.Must(h.ReportSetupFailure(ctx, id, uuid, failure))
		},
		"hand back": func(rt *rapid.T) {
			id, uuid := held(rt)
			h.Must(h.ReleaseBuild(ctx, id, uuid))
		},
		"cancel": func(rt *rapid.T) {
			_, err := h.CancelBuild(ctx, build(rt), rapid.Bool().Draw(rt, "unless required"))
			h.refused(rt, err)
		},
		"retry": func(rt *rapid.T) {
			_, err := h.RetryBuild(ctx, build(rt), true)
			h.refused(rt, err)
		},
		"fall silent": func(rt *rapid.T) {
			h.Clock.Advance(11 * time.Minute)
			h.Must(h.EndLeases(ctx))
		},
		"plan": func(rt *rapid.T) { h.Must(h.AnnouncePlan(ctx)) },
		"look": func(rt *rapid.T) { h.pictures = append(h.pictures, h.served.picture()) },
		"restart": func(rt *rapid.T) {
			h.end()
			h.Restart()
			h.serve()
		},
		"compare": h.compare,
	}
}

// compare follows the events from every picture on until now.
func (h *history) compare(rt *rapid.T) {
	now := h.served.picture()
	for _, p := range h.pictures {
		p := p.clone()
		if p.id == now.id {
			continue
		}
		f := h.served.follow("", fmt.Sprint(p.id))
		before := p.id
		for p.id < now.id {
			e, err := f.next()
			if err == nil {
				err = p.apply(e)
			}
			if err != nil {
				rt.Fatalf("follow the events from %d: %v", before, err)
			}
		}
		f.close()
		if diff := cmp.Diff(now.text(), p.text()); diff != "" {
			rt.Fatalf("the state from %d on (-state +events)\n%s", before, diff)
		}
	}
}
