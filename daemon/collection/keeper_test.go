//go:debug default=go1.25
package collection

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A team is a farm with a collection whose derivations stand in a file.
type team struct {
	*coordinatortest.Farm
	*Keeper
	t    *testing.T
	file string
	bed  string // an agent
}

func newTeam(t *testing.T, change func(*coordinator.Config)) *team {
	t.Helper()
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) {
		if change != nil {
			change(c)
		}
	})
	x := &team{Farm: f, t: t, file: filepath.Join(t.TempDir(), "drvs")}
	x.bed, _ = f.Joined("bedok")
	x.openKeeper()
	f.Must(f.PutCollection(t.Context(), daemon.Collection{Name: "team", Source: daemon.FromFile, File: x.file, Schedule: "1h"}))
	return x
}

func (x *team) openKeeper() {
	x.t.Helper()
	k, err := Open(Config{Coordinator: x.Coordinator(), System: coordinatortest.System, LogFile: x.Logs.File,
		Log: slog.New(slog.NewTextHandler(x.Farm.Log, nil))})
	x.Must(err)
	x.Keeper = k
	x.t.Cleanup(func() { k.Close() })
}

// Coordinator is the farm's.
func (x *team) Coordinator() *coordinator.Coordinator { return x.Farm.Coordinator }

// revise writes the file anew and updates the collection.
func (x *team) revise(drvs ...storepath.Path) Outcome {
	x.t.Helper()
	x.write(drvs...)
	x.Clock.Advance(time.Hour)
	o, err := x.Update(x.t.Context(), "team", false)
	x.Must(err)
	return o
}

func (x *team) write(drvs ...storepath.Path) {
	x.t.Helper()
	text := "# a comment\n\n"
	for _, d := range drvs {
		text += string(d) + "\n"
	}
	x.Must(os.WriteFile(x.file, []byte(text), 0o644))
}

// end has the agent build all that is ready; what is called bad fails.
func (x *team) end() {
	x.t.Helper()
	for {
		uuids := x.Given(x.bed, 100)
		if len(uuids) == 0 {
			return
		}
		for _, uuid := range uuids {
			b, err := x.Coordinator().Build(x.t.Context(), uuid)
			x.Must(err)
			x.Ended(x.bed, uuid, !strings.Contains(b.Derivation.Name(), "bad"))
		}
	}
}

// states are the packages of the account with their states, and changes.
func (x *team) states() string {
	x.t.Helper()
	a, err := x.Account(x.t.Context(), "team", account.Options{})
	x.Must(err)
	var out []string
	for _, p := range a.Packages {
		word := p.Package + " " + string(p.State)
		if p.Change != "" {
			word += "(" + string(p.Change) + ")"
		}
		for _, i := range p.BlockedBy {
			word += " by " + a.Failures[i].Name
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}

func (x *team) want(what, want string) {
	x.t.Helper()
	if got := x.states(); got != want {
		x.t.Errorf("%s: got\n\t%s\nwant\n\t%s", what, got, want)
	}
}

func TestBuildBreakFix(t *testing.T) {
	x := newTeam(t, nil)
	lib, other := x.Derivation("lib-1"), x.Derivation("other-1")
	o := x.revise(lib, other, x.Derivation("app-1", lib))
	if o.Submitted != 3 || o.Evaluation != 1 || o.Changed != 3 || o.Canceled != 0 {
		t.Errorf("the first update: got %+v", o)
	}
	x.want("at first", "app waiting, lib waiting, other waiting")
	x.end()
	x.want("built", "app builds, lib builds, other builds")

	bad := x.Derivation("lib-2bad")
	if o := x.revise(bad, other, x.Derivation("app-1", bad)); o.Submitted != 2 || o.Changed != 2 || len(o.New) != 2 {
		t.Errorf("the second update: got %+v", o)
	}
	x.end()
	x.want("broken", "app blocked(broken) by lib-2bad, lib fails(broken), other builds")

	good := x.Derivation("lib-3")
	if o := x.revise(good, other, x.Derivation("app-1", good)); o.Submitted != 2 || o.Canceled != 1 {
		t.Errorf("the third update: got %+v, want the blocked build canceled", o)
	}
	x.end()
	x.want("fixed", "app builds(fixed), lib builds(fixed), other builds")
	a, err := x.Account(t.Context(), "team", account.Options{})
	x.Must(err)
	for number, want := range map[int]account.Counts{1: {account.Builds: 3}, 2: {account.Builds: 1, account.Fails: 1, account.Blocked: 1}, 3: {account.Builds: 3}} {
		if diff := cmp.Diff(want, a.At(number).Counts); diff != "" {
			t.Errorf("evaluation %d (-want +got)\n%s", number, diff)
		}
	}
	b, err := x.Coordinator().Builds(t.Context(), coordinator.Filter{})
	x.Must(err)
	if b[0].Priority != daemon.CollectionPriority || !slices.Contains(b[0].Tags, daemon.Tag{Key: "collection", Value: "team"}) {
		t.Errorf("got a build with priority %d and tags %v", b[0].Priority, b[0].Tags)
	}
}

func TestNothingNew(t *testing.T) {
	x := newTeam(t, nil)
	drv := x.Derivation("lib-1")
	x.revise(drv)
	if o := x.revise(drv); o.Evaluation != 0 || o.Submitted != 0 || o.Changed != 0 || len(o.New) != 0 {
		t.Errorf("got %+v, want that nothing happens", o)
	}
	a, err := x.Account(t.Context(), "team", account.Options{})
	x.Must(err)
	if a.Evaluation != 1 || !a.Updated.Equal(x.Clock.Now()) {
		t.Errorf("got evaluation %d and an update of %v, want 1 and now", a.Evaluation, a.Updated)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	x := newTeam(t, nil)
	x.write(x.Derivation("lib-1"))
	before := x.Dump()
	o, err := x.Update(t.Context(), "team", true)
	x.Must(err)
	if len(o.New) != 1 || o.Packages != 1 || o.Submitted != 0 || !o.DryRun {
		t.Errorf("got %+v", o)
	}
	if diff := cmp.Diff(before, x.Dump()); diff != "" {
		t.Errorf("the database changed (-before +after)\n%s", diff)
	}
}

// What was built for others, or before, is not built again.
func TestBuildsThatThereAreCount(t *testing.T) {
	x := newTeam(t, nil)
	drv := x.Derivation("lib-1")
	x.Added(drv)
	if o := x.revise(drv); o.Submitted != 0 {
		t.Errorf("got %+v, want no build", o)
	}
	x.end()
	x.want("after it", "lib builds")
}

func TestWhatBecamePointless(t *testing.T) {
	x := newTeam(t, nil)
	old, shared := x.Derivation("old-1"), x.Derivation("shared-1")
	x.Must(x.PutCollection(t.Context(), daemon.Collection{Name: "other", Source: daemon.FromFile, File: x.file + "2"}))
	x.Must(os.WriteFile(x.file+"2", []byte(shared+"\n"), 0o644))
	begun := x.Derivation("begun-1")
	x.revise(begun)
	held := x.Given(x.bed, 1)
	x.revise(begun, old, shared)
	if _, err := x.Update(t.Context(), "other", false); err != nil {
		t.Fatal(err)
	}
	ours := x.Added(x.Derivation("ours-1", old)) // a person's
	o := x.revise(x.Derivation("new-1"))
	if o.Canceled != 0 {
		t.Errorf("got %d builds canceled, want none: one is begun, one another collection's, and one is needed", o.Canceled)
	}
	if state := x.State(held[0]); state != daemon.Allocated {
		t.Errorf("got the begun build %s", state)
	}
	_, err := x.CancelBuild(t.Context(), ours, false)
	x.Must(err)
	if o := x.revise(x.Derivation("new-1")); o.Canceled != 1 {
		t.Errorf("got %d builds canceled, want that of what nobody needs any more", o.Canceled)
	}
}

func TestTroubleLeavesTheAccount(t *testing.T) {
	x := newTeam(t, nil)
	x.revise(x.Derivation("lib-1"))
	x.end()
	updated := x.Clock.Now()
	x.Must(os.WriteFile(x.file, []byte("rubbish\n"), 0o644))
	x.Clock.Advance(time.Hour)
	_, err := x.Update(t.Context(), "team", false)
	if err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, want an error with the line", err)
	}
	x.want("after the trouble", "lib builds")
	a, err := x.Account(t.Context(), "team", account.Options{})
	x.Must(err)
	if !a.Updated.Equal(updated) || !strings.Contains(a.Trouble, "line 1") {
		t.Errorf("got an update of %v and the trouble %q", a.Updated, a.Trouble)
	}
	x.Must(os.WriteFile(x.file, nil, 0o644))
	if _, err := x.Update(t.Context(), "team", false); err == nil {
		t.Error("got no error of an empty file")
	}
	x.revise(x.Derivation("lib-1"))
	if a, err := x.Account(t.Context(), "team", account.Options{}); err != nil || a.Trouble != "" {
		t.Errorf("got the trouble %q, %v after an update that worked", a.Trouble, err)
	}
}

func TestADerivationThatCannotBeHad(t *testing.T) {
	x := newTeam(t, nil)
	gone := x.Derivation("gone-1")
	x.Offer(gone, nil)
	if o := x.revise(x.Derivation("lib-1"), gone); o.Errors != 1 || o.Submitted != 1 {
		t.Errorf("got %+v", o)
	}
	x.want("then", "gone not-evaluated, lib waiting")
}

// slowSource stands in the way of an update until it is let go.
func slowSource(x *team) (release func()) {
	x.t.Helper()
	fifo := x.file + ".fifo"
	x.Must(unix.Mkfifo(fifo, 0o600))
	x.Must(x.PutCollection(x.t.Context(), daemon.Collection{Name: "slow", Source: daemon.FromFile, File: fifo}))
	return func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		x.Must(err)
		_, err = f.WriteString(string(x.Derivation("slow-1")) + "\n")
		x.Must(err)
		x.Must(f.Close())
	}
}

func TestNeverTwoUpdatesAtOnce(t *testing.T) {
	x := newTeam(t, nil)
	release := slowSource(x)
	done := make(chan error, 1)
	go func() {
		_, err := x.Update(context.Background(), "slow", false)
		done <- err
	}()
	until(t, func() bool {
		c, err := x.Collection(t.Context(), "slow")
		return err == nil && c.Updating
	})
	_, err := x.Update(t.Context(), "slow", false)
	if daemon.CodeOf(err) != daemon.Conflict {
		t.Errorf("got %v of the second update, want a conflict", err)
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("got %v of the first update", err)
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within a minute")
		}
	}
}

// An update that a killed program began is done by the next one; schedules are
// kept.
func TestUpdatesAreResumedAndDue(t *testing.T) {
	x := newTeam(t, nil)
	x.write(x.Derivation("lib-1"))
	c, err := x.Collection(t.Context(), "team")
	x.Must(err)
	x.Must(x.Coordinator().BeginUpdate(t.Context(), c.ID))
	x.Must(x.Keeper.Close())
	x.Restart()
	x.openKeeper()
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		x.Run(ctx)
		close(stopped)
	}()
	evaluated := func(n int) func() bool {
		return func() bool {
			c, err := x.Collection(t.Context(), "team")
			return err == nil && c.Latest.Number == n && !c.Updating
		}
	}
	until(t, evaluated(1))
	x.write(x.Derivation("lib-2"))
	x.Clock.Advance(time.Hour)
	x.Added(x.Derivation("something-1")) // wakes it
	until(t, evaluated(2))
	stop()
	<-stopped
}

func TestWhenACollectionIsDue(t *testing.T) {
	noon := time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		c    daemon.CollectionStatus
		want time.Time
	}{
		{"never by itself", daemon.CollectionStatus{}, time.Time{}},
		{"at once", daemon.CollectionStatus{Collection: daemon.Collection{Schedule: "6h"}}, time.Unix(0, 0)},
		{"after its interval", daemon.CollectionStatus{Collection: daemon.Collection{Schedule: "6h"}, Attempted: noon}, noon.Add(6 * time.Hour)},
		{"soon after trouble", daemon.CollectionStatus{Collection: daemon.Collection{Schedule: "04:30"}, Attempted: noon, Trouble: "x"}, noon.Add(retryPause)},
		{"not sooner than planned", daemon.CollectionStatus{Collection: daemon.Collection{Schedule: "5m"}, Attempted: noon, Trouble: "x"}, noon.Add(5 * time.Minute)},
	} {
		if got := dueAt(&tt.c); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHooksAreTold(t *testing.T) {
	x := newTeam(t, func(c *coordinator.Config) {
		c.Hooks = func(event string) []string {
			if event == daemon.PackageBroken || event == daemon.PackageFixed || event == daemon.EvaluationDone {
				return []string{"mail"}
			}
			return nil
		}
	})
	events := func() string {
		t.Helper()
		x.Must(x.Tell(t.Context()))
		list, err := x.HookEvents(t.Context(), 0, false, 100)
		x.Must(err)
		var names []string
		for _, e := range list {
			names = append(names, e.Event)
			x.Must(x.HookDone(t.Context(), e.ID))
		}
		return strings.Join(names, " ")
	}
	step := func(what, want string) {
		t.Helper()
		if got := events(); got != want {
			t.Errorf("%s: hooks were told %q, want %q", what, got, want)
		}
	}
	lib := x.Derivation("lib-1")
	x.revise(lib, x.Derivation("app-1", lib), x.Derivation("badly-1"))
	step("evaluated", "evaluation-done")
	x.end()
	step("built for the first time", "")
	bad := x.Derivation("lib-2bad")
	x.revise(bad, x.Derivation("app-1", bad), x.Derivation("badly-1"))
	step("nothing is known", "evaluation-done")
	x.end()
	step("broken", "package-broken package-broken")
	step("told once", "")
	x.revise(lib, x.Derivation("app-1", lib), x.Derivation("badly-1"))
	step("back", "evaluation-done package-fixed package-fixed")
}

func TestDeclaredCollections(t *testing.T) {
	x := newTeam(t, nil)
	ctx := t.Context()
	one := daemon.Collection{Name: "declared", Source: daemon.FromFile, File: "/drvs", Schedule: "6h"}
	x.Must(x.DeclareCollections(ctx, []daemon.Collection{one}))
	for name, err := range map[string]error{"change": x.PutCollection(ctx, one), "remove": x.RemoveCollection(ctx, "declared")} {
		if daemon.CodeOf(err) != daemon.Conflict {
			t.Errorf("%s it: got %v, want a conflict", name, err)
		}
	}
	x.Must(x.DeclareCollections(ctx, nil))
	c, err := x.Collection(ctx, "declared")
	if err != nil || c.Declared || c.Schedule != "" {
		t.Errorf("got %+v, %v, want that it stays and does nothing", c, err)
	}
	x.Must(x.RemoveCollection(ctx, "declared"))
	if _, err := x.Account(ctx, "declared", account.Options{}); daemon.CodeOf(err) != daemon.NotFound {
		t.Errorf("got %v, want that it is gone", err)
	}
}

func TestAccountsAreRemembered(t *testing.T) {
	x := newTeam(t, nil)
	x.revise(x.Derivation("lib-1"))
	get := func() *account.Account {
		a, err := x.Account(t.Context(), "team", account.Options{})
		x.Must(err)
		return a
	}
	first := get()
	if get() != first {
		t.Error("got another account though nothing happened")
	}
	x.end()
	if get() == first {
		t.Error("got the same account though a build ended")
	}
	if recent, err := x.Recent(t.Context(), "team"); err != nil || recent != get() {
		t.Errorf("got %p, %v", recent, err)
	}
}

func TestUnknownCollections(t *testing.T) {
	x := newTeam(t, nil)
	if _, err := x.Update(t.Context(), "none", false); daemon.CodeOf(err) != daemon.NotFound {
		t.Errorf("got %v", err)
	}
	for _, r := range []string{"none", ""} {
		if _, err := x.Account(t.Context(), r, account.Options{}); err == nil {
			t.Errorf("%q: got no error", r)
		}
	}
}
