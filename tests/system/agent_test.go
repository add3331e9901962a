package system

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

func TestAnAgentWithAWrongPasswordGivesUp(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly)
	id, _ := f.newAgent("impostor")
	_, other := f.newAgent("somebody else")
	for name, password := range map[string]string{"made up": "guess", "another agent's": other} {
		agent := f.startAgent(h, id, password)
		status := h.waitEnd(agent)
		output, err := agent.Output()
		if err != nil {
			t.Fatal(err)
		}
		// Besides what every agent says at its start.
		var complaints []string
		for _, line := range lines(output) {
			if !strings.Contains(line, " (INFO ): ") {
				complaints = append(complaints, line)
			}
		}
		if status != 1 || len(complaints) != 1 || !strings.Contains(complaints[0], "refuses the agent "+id) || !strings.Contains(complaints[0], "password") {
			t.Errorf("a password that is %s: got status %d and %q, want 1 and one line that says so", name, status, complaints)
		}
		if strings.Contains(output, password) {
			t.Errorf("the log has the password %s:\n%s", password, output)
		}
	}
}

func TestAnAgentWaitsForItsCoordinator(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly)
	id, password := f.newAgent("early")
	if status, _ := f.stop(f.serve); status != 0 {
		t.Fatalf("got status %d, want 0", status)
	}
	agent := f.startAgent(h, id, password)
	h.waitLine(agent, `trying again`)
	f.start()
	h.waitLine(agent, `currently allocated 0 builds`)
	f.waitState(daemon.Succeeded, f.submit(h.add(toy.Recipe{Name: "late", Script: `echo >"$out"`}))...)
}

func TestTwoAgentsShareTheWork(t *testing.T) {
	t.Parallel()
	hosts := []*host{newBuilder(t), newBuilder(t)}
	g := newGate(hosts...)
	f := newFarm(hosts[0], coordinatorOnly)
	on := make(map[string]*host) // by agent
	for i, h := range hosts {
		id, password := f.newAgent(fmt.Sprintf("agent-%d", i))
		f.startAgent(h, id, password)
		on[id] = h
	}
	// Each may hold four.
	var drvs []*toy.Drv
	for i := range 8 {
		r := g.recipe(fmt.Sprintf("shared-%d", i), "")
		hosts[1].add(r)
		drvs = append(drvs, hosts[0].add(r))
	}
	builds := f.submit(drvs...)
	count := func() (n int) {
		for _, drv := range drvs {
			n += g.count(strings.TrimSuffix(drv.Path.Name(), ".drv"))
		}
		return n
	}
	eventually(t, "both build two", func() bool { return count() == 4 })
	for i := range drvs {
		g.open(fmt.Sprintf("shared-%d", i))
	}
	f.waitState(daemon.Succeeded, builds...)
	if got := count(); got != len(drvs) {
		t.Errorf("got %d builders, want %d", got, len(drvs))
	}
	built := make(map[string]int)
	for i, build := range builds {
		agent := f.show(build).Agent
		built[agent]++
		for id, h := range on {
			valid, err := h.conn.IsValidPath(h.ctx, drvs[i].Out())
			if err != nil {
				t.Fatal(err)
			}
			if valid != (id == agent) {
				t.Errorf("%s was built by %s, but valid is %v in the store of %s", drvs[i].Path, agent, valid, id)
			}
		}
	}
	for id := range on {
		if built[id] < 2 {
			t.Errorf("the agent %s built %d, want some two", id, built[id])
		}
	}
}

func TestMissingInputsAreReported(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, quickRetry, func(conf *config.Config) { conf.Coordinator.SubmitMissing = false })
	there := h.add(toy.Recipe{Name: "there", Script: `echo >"$out"`})
	h.build(there)
	lib := h.add(toy.Recipe{Name: "lib", Outputs: []string{"out", "doc", "dev"}, Script: `for o in "$out" "$doc" "$dev"; do echo "$o" >"$o"; done`})
	app := h.add(toy.Recipe{Name: "app", Inputs: []*toy.Drv{there, lib}, Script: `cat "$in_lib" "$in_lib_dev" >"$out"`})
	build := f.submit(app)[0]

	b := f.reach(daemon.Deferred, build) // in the queue, for later
	if len(b.SetupFailures) == 0 || len(b.Starts) > 0 || b.Agent != "" {
		t.Fatalf("got %+v, want a setup failure, no start and no agent", b)
	}
	want := []string{string(lib.Outputs["out"]), string(lib.Outputs["dev"]), string(lib.Outputs["doc"])}
	slices.Sort(want)
	for _, failure := range b.SetupFailures {
		slices.Sort(failure.MissingInputs)
		if failure.Reason != "missing_inputs" || !slices.Equal(failure.MissingInputs, want) {
			t.Errorf("got %+v, want exactly the missing inputs %q", failure, want)
		}
	}
	if said := f.tbfg("build", "show", build); !strings.Contains(said.out, "missing_inputs") || !strings.Contains(said.out, want[0]) {
		t.Errorf("build show: got %+v, want it to name what is missing", said)
	}

	h.build(lib)
	f.waitState(daemon.Succeeded, build)
	f.checkOutputs("app", f.show(build), app)
}

// quickRetry is a change for farms that soon come back to what could not be
// set up.
func quickRetry(conf *config.Config) {
	conf.Coordinator.SetupRetry = config.Duration(time.Second)
	conf.Coordinator.MaxSetupRetry = conf.Coordinator.SetupRetry
}

func TestOutputsThatExistAreBuiltAgain(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, quickRetry)
	drv := h.add(g.recipe("again", ""))
	g.open("again")
	f.waitState(daemon.Succeeded, f.submit(drv)...)
	// The output is there now; the farm builds nevertheless.
	f.waitState(daemon.Succeeded, f.submit(drv)...)
	if got := g.count("again"); got != 2 {
		t.Errorf("it was built %d times, want twice", got)
	}

	// What somebody uses cannot be deleted.
	const root = "/root/result"
	if err := os.Symlink(string(drv.Out()), h.Path("/root")+"/result"); err != nil {
		t.Fatal(err)
	}
	if err := h.conn.AddIndirectRoot(h.ctx, root); err != nil {
		t.Fatal(err)
	}
	build := f.submit(drv)[0]
	f.waitState(daemon.Deferred, build)
	b := f.show(build)
	if len(b.SetupFailures) == 0 || b.SetupFailures[0].Reason != "could_not_delete_outputs" || len(b.SetupFailures[0].MissingInputs) > 0 {
		t.Errorf("got %+v, want that outputs could not be deleted", b)
	}
	if valid, err := h.conn.IsValidPath(h.ctx, drv.Out()); !valid || err != nil {
		t.Errorf("the output in use: got valid %v, %v", valid, err)
	}
	if err := os.Remove(h.Path("/root") + "/result"); err != nil {
		t.Fatal(err)
	}
	f.waitState(daemon.Succeeded, build)
	if got := g.count("again"); got != 3 {
		t.Errorf("it was built %d times, want three times", got)
	}
}
