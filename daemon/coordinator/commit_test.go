package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

func TestWhatManyWereToldAtTheSameTimeIsThereAfterARestart(t *testing.T) {
	f := coordinatortest.Open(t)
	input := f.Derivation("input")
	drvs := make([]storepath.Path, 100)
	for i := range drvs {
		drvs[i] = f.Derivation(fmt.Sprint("drv", i), input)
	}
	var group sync.WaitGroup
	told := make([]string, len(drvs))
	for i, drv := range drvs {
		group.Go(func() {
			s := daemon.Submission{Derivation: drv}
			if i%10 == 9 {
				s.UUID = coordinatortest.UUID(0) // all but one of these must fail
			}
			done, err := f.Submit(t.Context(), s)
			if err != nil && (s.UUID == "" || daemon.CodeOf(err) != daemon.Conflict) {
				t.Errorf("submission %d: got the error %v", i, err)
			}
			told[i] = done.UUID
		})
	}
	group.Wait()
	f.Restart()
	builds, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	got := make(map[string]storepath.Path)
	for _, b := range builds {
		got[b.UUID] = b.Derivation
	}
	want := make(map[string]storepath.Path)
	for i, uuid := range told {
		if uuid != "" {
			want[uuid] = drvs[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 91 {
		t.Fatalf("%d builds, want 91 (-told +there)\n%s", len(want), diff)
	}
}

func TestAgentsThatFetchAtTheSameTimeShareTheBuilds(t *testing.T) {
	f := coordinatortest.Open(t)
	const builds, agents = 60, 8
	for i := range builds {
		f.Added(f.Derivation(fmt.Sprint("drv", i)))
	}
	var mu sync.Mutex
	times := make(map[string]int) // that each build was built
	var group sync.WaitGroup
	for i := range agents {
		agent, _ := f.Joined(fmt.Sprint("agent", i))
		group.Go(func() {
			for {
				held := f.Given(agent, 3)
				if len(held) == 0 {
					return
				}
				f.Ended(agent, held[0], i%2 == 0)
				mu.Lock()
				times[held[0]]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for uuid, n := range times {
		if n != 1 {
			t.Errorf("build %s was built %d times, want once", uuid, n)
		}
	}
	if len(times) != builds {
		t.Errorf("%d builds were built, want %d", len(times), builds)
	}
}

func TestAFailingCommitAcknowledgesNothing(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	build, above := f.Added(input), f.Added(f.Derivation("above", input))
	ctx := t.Context()
	nothing := coordinator.Fetch{Systems: []string{coordinatortest.System}}
	_, err := f.FetchBuilds(ctx, agent, nothing) // records the systems
	f.Must(err)
	submit := func() error {
		_, err := f.Submit(ctx, daemon.Submission{Derivation: f.Derivation("new")})
		return err
	}
	fetch := func() error {
		_, err := f.FetchBuilds(ctx, agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1})
		return err
	}
	for _, tt := range []struct {
		table string // whose new row the commit meets
		do    func() error
		build daemon.State // before and after the failure
		above daemon.State
	}{
		{"builds", submit, daemon.Ready, daemon.Waiting},
		{"allocated_builds", fetch, daemon.Ready, daemon.Waiting},
		{"build_starts", func() error { return f.ReportStart(ctx, agent, build) }, daemon.Allocated, daemon.Waiting},
		{"setup_failures", func() error {
			return f.ReportSetupFailure(ctx, agent, build, daemon.SetupFailure{Reason: "x"})
		}, daemon.Started, daemon.Waiting},
		{"build_results", func() error { return f.ReportResult(ctx, agent, build, daemon.Result{Success: true}) }, daemon.Ready, daemon.Waiting},
	} {
		states := func(want ...daemon.State) {
			t.Helper()
			if diff := cmp.Diff(want, []daemon.State{f.State(build), f.State(above)}); diff != "" {
				t.Fatalf("%s: states (-want +got)\n%s", tt.table, diff)
			}
		}
		if tt.table == "build_results" { // allocate it again after the setup failure
			f.Clock.Advance(coordinatortest.SetupRetry)
			f.Restart()
			states(tt.build, tt.above)
			f.Must(fetch())
			tt.build = daemon.Allocated
		}
		mend := f.FailCommits(tt.table)
		before := f.Dump()
		if err := tt.do(); err == nil || daemon.CodeOf(err) != "" {
			t.Fatalf("%s: got the error %v, want one of the farm's own", tt.table, err)
		}
		states(tt.build, tt.above)
		if diff := cmp.Diff(before, f.Dump()); diff != "" {
			t.Fatalf("%s: the database changed (-before +after)\n%s", tt.table, diff)
		}
		mend()
		f.Must(tt.do()) // the same again works
	}
	if state := f.State(above); state != daemon.Allocated && state != daemon.Ready {
		t.Errorf("what waited: got %s, want that it waits no more", state)
	}
}

// A commit may also take effect although it is reported as failed. The
// coordinator asks the database which it was.
func TestACommitThatFailedAlthoughItWasDone(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	input := f.Derivation("input")
	build, above := f.Added(input), f.Added(f.Derivation("above", input))
	f.Given(agent, 1)
	mend := f.FailCommits("build_results")
	result := daemon.Result{Success: true}
	if err := f.ReportResult(t.Context(), agent, build, result); err == nil {
		t.Fatal("got no error, want one")
	}
	mend()
	// Now do what the commit did, as a disk would that only answered late;
	// and another commit fails, so that the database is read again.
	f.Exec(`INSERT INTO build_results (build_id, agent_id, result) VALUES (1, ?, 'success')`, agent)
	f.Exec(`UPDATE builds SET processed = 1, end_time = '2025-08-13 00:00:00' WHERE id = 1`)
	f.Exec(`DELETE FROM allocated_builds`)
	mend = f.FailCommits("agents")
	if _, err := f.NewAgent(t.Context(), "", "", ""); err == nil {
		t.Fatal("got no error, want one")
	}
	mend()
	got := []daemon.State{f.State(build), f.State(above)}
	if diff := cmp.Diff([]daemon.State{daemon.Succeeded, daemon.Ready}, got); diff != "" {
		t.Fatalf("states (-want +got)\n%s", diff)
	}
	f.Must(f.ReportResult(t.Context(), agent, build, result)) // the agent insists
}

// Those who wait for builds must hear of what the database turns out to hold.
func TestAPollSurvivesAFailingCommit(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	answers := poll(t.Context(), t, f, agent, 1)
	mend := f.FailCommits("agents")
	if _, err := f.NewAgent(t.Context(), "", "", ""); err == nil {
		t.Fatal("got no error, want one")
	}
	mend()
	build := f.Added(f.Derivation("hello"))
	if diff := cmp.Diff([]string{build}, soon(t, answers).builds); diff != "" {
		t.Fatalf("builds (-want +got)\n%s", diff)
	}
}

func TestADatabaseThatIsGoneAcknowledgesNothing(t *testing.T) {
	f := coordinatortest.At(t, t.TempDir()+"/tbfg.db")
	agent, _ := f.Joined("bedok")
	drv := f.Derivation("hello")
	uuid := f.Added(drv)
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it tries to read the database first
		_, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1})
		if err == nil {
			t.Errorf("fetch: got no error, want one")
		}
		if _, err := f.NewAgent(t.Context(), "", "", ""); err == nil {
			t.Errorf("new agent: got no error, want one")
		}
		if err := f.ReportStart(t.Context(), agent, uuid); err == nil {
			t.Errorf("report: got no error, want one")
		}
	}
	f.Coordinator.Close()
}

// One who gives up while the writer is at it must neither disturb the change
// nor look at what it writes; the race detector would see it.
func TestThoseWhoGiveUpDoNoHarm(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	var group sync.WaitGroup
	for i := range 40 {
		drv := f.Derivation(fmt.Sprint("drv", i))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*50)*time.Microsecond)
		defer cancel()
		group.Go(func() {
			_, err := f.Submit(ctx, daemon.Submission{Derivation: drv, WithInputs: true})
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("submit: got the error %v", err)
			}
		})
		group.Go(func() {
			_, err := f.FetchBuilds(ctx, agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 20})
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("fetch: got the error %v", err)
			}
		})
	}
	group.Wait()
	f.Joined("last") // the writer is through with all of them
	sameAfterRestart(t, f)
}
