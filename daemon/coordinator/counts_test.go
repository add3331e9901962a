package coordinator_test

import (
	"fmt"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// counted compares the numbers that the coordinator keeps with the list of all
// builds.
func counted(t *testing.T, f *coordinatortest.Farm, when string) {
	t.Helper()
	got, err := f.Counts(t.Context())
	f.Must(err)
	all, err := f.Coordinator.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	want := make(map[daemon.State]int)
	for _, state := range daemon.States {
		want[state] = 0
	}
	for _, b := range all {
		want[b.State]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-listed +counted)\n%s", when, diff)
	}
}

func TestBuildsAreCountedByState(t *testing.T) {
	keep := 0
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepBuilds = keep })
	agent, _ := f.Joined("bedok")
	broken := f.Derivation("broken")
	for n, drv := range []storepath.Path{f.Derivation("good"), broken, f.Derivation("blocked", broken), f.Derivation("long"),
		f.Derivation("unlucky"), f.Derivation("held"), f.Derivation("canceled"), f.Derivation("waits", f.Derivation("long"))} {
		f.Submitted(daemon.Submission{Derivation: drv, UUID: coordinatortest.UUID(n)})
	}
	f.Submitted(daemon.Submission{Derivation: f.Derivation("later"), NotBefore: f.Clock.Now().Add(time.Hour)})
	counted(t, f, "submitted")
	f.Given(agent, 6)
	counted(t, f, "allocated")
	f.Ended(agent, coordinatortest.UUID(0), true)
	f.Ended(agent, coordinatortest.UUID(1), false)
	f.Must(f.ReportStart(t.Context(), agent, coordinatortest.UUID(3)))
	f.Must(f.ReportSetupFailure(t.Context(), agent, coordinatortest.UUID(4), daemon.SetupFailure{Reason: daemon.CouldNotFetch}))
	for range 2 {
		_, err := f.CancelBuild(t.Context(), coordinatortest.UUID(6), false)
		f.Must(err)
	}
	counted(t, f, "worked on")
	f.Restart()
	counted(t, f, "after a restart")
	mend := f.FailCommits("build_results")
	if f.ReportResult(t.Context(), agent, coordinatortest.UUID(3), daemon.Result{Success: true}) == nil {
		t.Error("a commit that failed was acknowledged")
	}
	mend()
	counted(t, f, "after a commit that failed")
	keep = 1
	f.Restart()
	f.Must(f.ForgetOld(t.Context()))
	counted(t, f, "with old builds forgotten")
	_, err := f.CancelBuilds(t.Context(), coordinator.CancelFilter{})
	f.Must(err)
	counted(t, f, "with all canceled")
}

// More failures than BlockedBy lists, of which the worst are told, and how many
// there are.
func TestWhatBlocksMost(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	const failures = 130
	var roots []storepath.Path
	for n := range failures {
		drv := f.Derivation(fmt.Sprint("root-", n))
		f.Submitted(daemon.Submission{Derivation: drv, UUID: coordinatortest.UUID(n)})
		roots = append(roots, drv)
	}
	f.Added(f.Derivation("needs-all", roots...))
	worst := f.Derivation("needs-one", roots[failures-1])
	f.Added(worst)
	f.Added(f.Derivation("above", worst))
	f.Given(agent, failures)
	for n := range failures {
		f.Ended(agent, coordinatortest.UUID(n), false)
	}
	check := func(systems []string, threshold, limit, all, first int) {
		t.Helper()
		got, n, err := f.Blocking(t.Context(), systems, threshold, limit)
		f.Must(err)
		if n != all || len(got) != min(limit, all) {
			t.Fatalf("got %d of %d, want %d of %d", len(got), n, min(limit, all), all)
		}
		for i, b := range got {
			want, blocks := coordinatortest.UUID(max(0, i-1)), 1
			if i == 0 {
				want, blocks = coordinatortest.UUID(failures-1), first
			}
			if b.UUID != want || b.Blocks != blocks || b.State != daemon.Failed {
				t.Errorf("%d: got %s with %d, want %s with %d", i, b.UUID, b.Blocks, want, blocks)
			}
		}
	}
	check(nil, 1, 1000, failures, 3)
	check([]string{coordinatortest.System}, 1, 2, failures, 3)
	check(nil, 3, 10, 1, 3)
	check([]string{"i686-linux"}, 1, 10, 0, 0)
	f.Restart()
	check(nil, 1, 129, failures, 3)
	submitted, err := f.RetryBuild(t.Context(), coordinatortest.UUID(failures-1), false)
	f.Must(err)
	if got, n, err := f.Blocking(t.Context(), nil, 1, 10); err != nil || n != failures-1 || got[0].UUID != coordinatortest.UUID(0) {
		t.Errorf("after a retry as %v: got %d, %v, want one less", submitted, n, err)
	}
}

// The clock goes and nobody asks the writer for anything.
func TestWhatIsDueCountsAsReady(t *testing.T) {
	f := coordinatortest.Open(t)
	f.Submitted(daemon.Submission{Derivation: f.Derivation("later"), NotBefore: f.Clock.Now().Add(time.Hour)})
	for _, want := range []daemon.State{daemon.Deferred, daemon.Ready} {
		counted(t, f, string(want))
		oldest, err := f.OldestReady(t.Context())
		f.Must(err)
		if got := f.Queue()["x86_64-linux"]; got[want] != 1 || (len(oldest) == 1) != (want == daemon.Ready) {
			t.Errorf("got %v, oldest %v, want one that is %s", got, oldest, want)
		}
		f.Clock.Advance(time.Hour)
	}
}
