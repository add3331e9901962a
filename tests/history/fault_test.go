package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

// trial is a farm on a failing disk with one agent and one client.
type trial struct {
	*World
	t      *testing.T
	agent  *Agent
	client *clientapi.Client
	random *rand.Rand
}

// build submits a build of a derivation without inputs.
func (r *trial) build() string {
	r.t.Helper()
	uuid := randomUUID(r.random)
	if err := r.submit(uuid); err != nil {
		r.t.Fatal(err)
	}
	return uuid
}

func (r *trial) submit(uuid string) error {
	drv := r.Paths[0]
	_, err := r.Do(Event{Kind: Submit, Who: "client", Build: uuid, Derivation: drv}, func(e *Event) error {
		reply, err := r.client.Submit(r.t.Context(), daemon.Submission{UUID: uuid, Derivation: drv})
		e.Builds = []string{reply.Submitted}
		return err
	})
	return err
}

// held has the agent hold a new build. It holds no others.
func (r *trial) held() string {
	r.t.Helper()
	uuid := r.build()
	if builds, err := r.agent.Fetch(r.t.Context(), nil); err != nil || len(builds) != 1 || builds[0].UUID != uuid {
		r.t.Fatalf("fetch: got %v, %v, want %s", builds, err, uuid)
	}
	return uuid
}

func (r *trial) report(kind Kind, uuid string, request func() error) error {
	_, err := r.Do(Event{Kind: kind, Who: r.agent.ID, Build: uuid}, func(*Event) error { return request() })
	return err
}

func (r *trial) start(uuid string) error {
	return r.report(Start, uuid, func() error { return r.agent.Client.ReportStart(r.t.Context(), uuid) })
}

func (r *trial) result(uuid string, success bool) error {
	result := r.agent.result(daemon.Allocation{UUID: uuid, Derivation: r.Paths[0]}, success)
	e := Event{Kind: Result, Who: r.agent.ID, Build: uuid}
	e.report(result)
	_, err := r.Do(e, func(*Event) error { return r.agent.Client.ReportResult(r.t.Context(), uuid, result) })
	return err
}

func (r *trial) cancel(uuid string) error {
	_, err := r.Do(Event{Kind: Cancel, Who: "client", Build: uuid}, func(e *Event) (err error) {
		e.Word, err = r.client.Cancel(r.t.Context(), uuid, false)
		return err
	})
	return err
}

// request is something that writes.
type request struct {
	name string
	// prepare makes what it is about, and returns the request, which may be
	// repeated until it is answered, and what tidies up after it.
	prepare func(r *trial) (do func() error, tidy func(r *trial))
}

var requests = []request{
	{"submit", func(r *trial) (func() error, func(*trial)) {
		uuid := randomUUID(r.random)
		return func() error { return r.submit(uuid) }, func(r *trial) { r.cancel(uuid) }
	}},
	{"fetch", func(r *trial) (func() error, func(*trial)) {
		uuid := r.build()
		return func() error {
				_, err := r.agent.Fetch(r.t.Context(), nil)
				return err
			}, func(r *trial) {
				if err := r.result(uuid, true); err != nil { // it must hold it
					r.t.Error(err)
				}
			}
	}},
	{"start", func(r *trial) (func() error, func(*trial)) {
		uuid := r.held()
		return func() error { return r.start(uuid) }, func(r *trial) { r.result(uuid, true) }
	}},
	{"success", func(r *trial) (func() error, func(*trial)) {
		uuid := r.held()
		return func() error { return r.result(uuid, true) }, nil
	}},
	{"failure", func(r *trial) (func() error, func(*trial)) {
		uuid := r.held()
		return func() error { return r.result(uuid, false) }, nil
	}},
	{"setup failure", func(r *trial) (func() error, func(*trial)) {
		uuid := r.held()
		return func() error {
			return r.report(SetupFailure, uuid, func() error {
				return r.agent.Client.ReportSetupFailure(r.t.Context(), uuid, daemon.SetupFailure{Reason: daemon.CouldNotFetch})
			})
		}, func(r *trial) { r.cancel(uuid) }
	}},
	{"release", func(r *trial) (func() error, func(*trial)) {
		uuid := r.held()
		return func() error {
			return r.report(Release, uuid, func() error { return r.agent.Client.ReleaseBuild(r.t.Context(), uuid) })
		}, func(r *trial) { r.cancel(uuid) }
	}},
	{"cancel", func(r *trial) (func() error, func(*trial)) {
		uuid := r.build()
		return func() error { return r.cancel(uuid) }, nil
	}},
	{"retry", func(r *trial) (func() error, func(*trial)) {
		uuid := r.build()
		r.cancel(uuid)
		return func() error {
				_, err := r.Do(Event{Kind: Retry, Who: "client", Build: uuid}, func(e *Event) (err error) {
					e.Builds, err = r.client.Retry(r.t.Context(), uuid, false)
					return err
				})
				return err
			}, func(r *trial) {
				for _, b := range r.unfinished() {
					r.cancel(b)
				}
			}
	}},
	{"priority", func(r *trial) (func() error, func(*trial)) {
		uuid := r.build()
		return func() error { return r.client.SetPriority(r.t.Context(), uuid, 7) }, func(r *trial) { r.cancel(uuid) }
	}},
	{"new agent", func(r *trial) (func() error, func(*trial)) {
		return func() error {
			_, err := r.client.NewAgent(r.t.Context(), "another", "")
			return err
		}, nil
	}},
	{"new password", func(r *trial) (func() error, func(*trial)) {
		return func() error {
			password, err := r.client.NewPassword(r.t.Context(), r.agent.ID)
			if err == nil {
				r.agent.Client = agentapi.NewClient(r.AgentURL, r.agent.ID, password)
			}
			return err
		}, func(r *trial) { r.held(); r.drop() } // the newest password works
	}},
	{"pause an agent", func(r *trial) (func() error, func(*trial)) {
		change := func(mode daemon.Mode) error {
			return r.client.ChangeAgent(r.t.Context(), r.agent.ID, wire.AgentChange{Mode: &mode})
		}
		return func() error { return change(daemon.Paused) }, func(r *trial) {
			if err := change(daemon.Working); err != nil {
				r.t.Error(err)
			}
		}
	}},
}

// unfinished are the builds that have not ended.
func (r *trial) unfinished() (uuids []string) {
	builds, _ := r.look()
	for _, b := range builds {
		if !b.State.Finished() {
			uuids = append(uuids, b.UUID)
		}
	}
	return uuids
}

// drop cancels whatever has not ended.
func (r *trial) drop() {
	for _, uuid := range r.unfinished() {
		r.cancel(uuid)
	}
}

// Each request meets a write that fails, in the middle of its transaction and
// at the commit, in each of the ways in which a write fails.
func TestEveryWriteFails(t *testing.T) {
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 3))
	graph, url := newGraph(t, random, 1, 1)
	disk := NewDisk(t, DatabaseFiles)
	farm := NewFarm(t, t.TempDir(), url, nil, disk.env...)
	farm.Start()
	w := &World{AgentURL: farm.AgentURL, ClientURL: farm.ClientURL, Wait: farm.Wait, Graph: graph, Seed: seed}
	agent := w.newAgent(t, "bedok", 1, Systems...)
	agent.Patience = 0
	r := &trial{World: w, t: t, agent: agent, client: clientapi.NewClient(w.ClientURL), random: random}
	r.held()
	r.drop()

	var cases, missed, late int
	for _, request := range requests {
		do, tidy := request.prepare(r)
		before := disk.Writes()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", request.name, err)
		}
		writes := disk.Writes() - before
		if tidy != nil {
			tidy(r)
		}
		for _, how := range []How{NotDone, AlthoughDone, BrokenFromThen} {
			for i, n := range points(writes) {
				cases++
				name := fmt.Sprintf("%s, write %d of %d %v", request.name, n, writes, how)
				do, tidy := request.prepare(r)
				disk.Fail(n, how)
				err := do()
				if failed := disk.Failed(); failed == 0 && err == nil {
					missed++ // this time it wrote fewer pages
				} else {
					fails(t, name, err)
				}
				if how == BrokenFromThen && err != nil {
					fails(t, name+", again", do())
					r.look() // what is there can be read
				}
				disk.Mend()
				if i%2 == 0 && r.changedByKill(farm) { // or else it is repeated first
					late++
				}
				var status *wire.StatusError
				if err := do(); err != nil && (!errors.As(err, &status) || status.Status >= 500) {
					t.Fatalf("%s, on a mended disk: got the error %v, want that it is done, or was done", name, err)
				}
				if r.settle(t); r.changedByKill(farm) {
					t.Errorf("%s: what was acknowledged then is changed by a restart", name)
				}
				if tidy != nil {
					tidy(r)
				}
				r.drop()
			}
		}
	}
	if missed > cases/10 {
		t.Errorf("%d of %d cases met no failure", missed, cases)
	}
	w.verdict(t, Account{Builds: w.view(t), Drained: true})
	farm.Kill()
	checkDatabase(t, filepath.Join(farm.Dir, "tbfg.db"))
	// SQLite does not take back what it has written when the flush fails:
	// if nothing is committed after it, a restart finds it whole.
	t.Logf("%d cases, %d of them met no failure; %d times what was refused had been done after a restart", cases, missed, late)
}

// fails checks that a request was refused as it should be.
func fails(t *testing.T, name string, err error) {
	t.Helper()
	var status *wire.StatusError
	if !errors.As(err, &status) || status.Status != 500 && status.Status != 503 || status.Code == "" {
		t.Errorf("%s: got the error %v, want HTTP 500 or 503 in JSON", name, err)
	}
}

// points are the writes of a request that are tried: the first, one in the
// middle, and the last ones, which make the commit.
func points(writes int) []int {
	all := []int{1, writes / 2, writes - 1, writes}
	var points []int
	for _, n := range all {
		if n > 0 && (len(points) == 0 || n > points[len(points)-1]) {
			points = append(points, n)
		}
	}
	return points
}

// look is what the farm says of its builds and agents.
func (r *trial) look() (builds []wire.Build, agents []wire.Agent) {
	r.t.Helper()
	err := r.client.Builds(r.t.Context(), nil, 0, func(b wire.Build) error {
		builds = append(builds, b)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if agents, err = r.client.Agents(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return builds, agents
}

// changedByKill kills the farm and tells whether it says something else when
// it is back.
func (r *trial) changedByKill(f *Farm) bool {
	r.t.Helper()
	builds, agents := r.look()
	f.Kill()
	f.Start()
	builds2, agents2 := r.look()
	return !cmp.Equal(builds, builds2) || !cmp.Equal(agents, agents2)
}
