package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// checkHistory checks that the database is sound, that each of the builds is
// in it and has exactly one result, and that nobody holds any.
func (f *farm) checkHistory(want map[string]daemon.State) {
	f.t.Helper()
	if got := f.sql(database, "PRAGMA integrity_check; PRAGMA foreign_key_check;"); got != "ok\n" {
		f.t.Errorf("integrity of the database: got %q, want ok", got)
	}
	results := map[daemon.State]string{daemon.Succeeded: "success", daemon.Failed: "failure"}
	got := make(map[string]string)
	for _, line := range lines(f.sql(database, `SELECT builds.uuid, processed, group_concat(result, '+')
		FROM builds LEFT JOIN build_results ON build_results.build_id = builds.id GROUP BY builds.id;`)) {
		uuid, rest, _ := strings.Cut(line, "|")
		got[uuid] = rest
	}
	for uuid, state := range want {
		if got[uuid] != "1|"+results[state] {
			f.t.Errorf("build %s: got %q, want one %s", uuid, got[uuid], results[state])
		}
	}
	if got := f.sql(database, "SELECT * FROM allocated_builds;"); got != "" {
		f.t.Errorf("builds are still allocated: %q", got)
	}
}

func TestAKilledCoordinatorLosesNothing(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	f := newFarm(h, coordinatorOnly)
	id, password := f.newAgent("faithful")
	agent := f.startAgent(h, id, password)

	const builds, kills = 40, 7
	var submissions []daemon.Submission
	want := make(map[string]daemon.State)
	var previous []*toy.Drv
	for i := range builds {
		r := toy.Recipe{Name: fmt.Sprintf("part-%d", i), Script: fmt.Sprintf(`echo part %d; usleep 100000; echo >"$out"`, i)}
		state := daemon.Succeeded
		switch i % 7 {
		case 3:
			r.Script, state = "echo I fail; false", daemon.Failed
		case 1, 2, 5:
			r.Inputs = previous
		}
		drv := h.add(r)
		if previous = []*toy.Drv{drv}; state == daemon.Failed {
			previous = nil // what needs it would be blocked
		}
		s := daemon.Submission{Derivation: drv.Path, UUID: uuid.NewString()}
		submissions = append(submissions, s)
		want[s.UUID] = state
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	submitted := make(chan error, 1)
	go func() { submitted <- submitAll(ctx, f, submissions) }()

	for kill := range kills {
		eventually(t, "some builds are over", func() bool {
			over := lines(f.sql(database, "SELECT uuid FROM builds WHERE processed;"))
			return len(over) > kill*builds/(kills+1)
		})
		f.serve.Kill()
		f.start()
	}
	if err := <-submitted; err != nil {
		t.Fatal(err)
	}
	if got := len(f.waitOver()); got != builds {
		t.Errorf("got %d builds, want %d", got, builds)
	}
	f.checkHistory(want)
	h.alive(agent)
	for _, s := range submissions {
		f.checkLog(s.Derivation.Name(), f.show(s.UUID))
	}
}

// submitAll submits builds one after the other, each until the coordinator
// has acknowledged it.
func submitAll(ctx context.Context, f *farm, submissions []daemon.Submission) error {
	for _, s := range submissions {
		for {
			_, err := f.Submit(ctx, s)
			var refusal *wire.StatusError
			// A conflict tells that an attempt before has arrived.
			if err == nil || errors.As(err, &refusal) && refusal.Status == http.StatusConflict {
				break
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("submit %s: %w", s.Derivation, err)
			}
		}
	}
	return nil
}

func TestAKilledAgentResumes(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, coordinatorOnly)
	id, password := f.newAgent("phoenix")
	agent := f.startAgent(h, id, password)
	// Two run, two are allocated and wait, one is not even allocated.
	var drvs []*toy.Drv
	for i := range 5 {
		drvs = append(drvs, h.add(g.recipe(fmt.Sprintf("kept-%d", i), "")))
	}
	builds := f.submit(drvs...)
	f.waitState(daemon.Started, builds[:2]...)
	f.waitState(daemon.Allocated, builds[2:4]...)
	g.waitCount("kept-0", 1)
	g.waitCount("kept-1", 1)

	agent.Kill()
	eventually(t, "the killed agent's builders are gone", func() bool { return !g.here("kept-0") && !g.here("kept-1") })
	f.waitState(daemon.Started, builds[:2]...)
	f.waitState(daemon.Ready, builds[4])

	f.startAgent(h, id, password)
	g.waitCount("kept-0", 2)
	g.waitCount("kept-1", 2)
	want := make(map[string]daemon.State)
	for i, build := range builds {
		g.open(fmt.Sprintf("kept-%d", i))
		want[build] = daemon.Succeeded
	}
	f.waitState(daemon.Succeeded, builds...)
	f.checkHistory(want)
	for i, build := range builds {
		f.checkLog(drvs[i].Path.Name(), f.show(build))
		if got, want := g.count(fmt.Sprintf("kept-%d", i)), 1; i > 1 && got != want {
			t.Errorf("kept-%d: it was built %d times, want once", i, got)
		}
	}
}

func TestBuildsThatTheDaemonDropsAreBuiltAgain(t *testing.T) {
	t.Parallel()
	h := newBuilder(t)
	g := newGate(h)
	f := newFarm(h, nil)
	drvs := []*toy.Drv{h.add(g.recipe("dropped-0", "")), h.add(g.recipe("dropped-1", ""))}
	builds := f.submit(drvs...)
	g.waitCount("dropped-0", 1)
	g.waitCount("dropped-1", 1)
	if err := h.StopDaemon(); err != nil {
		t.Fatal(err)
	}
	// The agent tries while there is no daemon, and goes on when there is.
	h.waitLine(f.serve, `no guix-daemon listens`)
	h.startDaemon()
	g.waitCount("dropped-0", 2)
	g.waitCount("dropped-1", 2)
	g.open("dropped-0")
	g.open("dropped-1")
	f.waitState(daemon.Succeeded, builds...)
	h.openShop()
	for i, build := range builds {
		b := f.show(build)
		if len(b.SetupFailures) > 0 {
			t.Errorf("%s: got setup failures %+v, want none", drvs[i].Path, b.SetupFailures)
		}
		f.checkLog(drvs[i].Path.Name(), b)
		f.checkOutputs(drvs[i].Path.Name(), b, drvs[i])
	}
}
