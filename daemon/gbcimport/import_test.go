package gbcimport_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/gbcimport"

	"github.com/google/go-cmp/cmp"
)

// whole is the report on a small farm.
var whole = map[string]string{
	"agents": "2: 2 imported, 0 there", "agent names": "1: 1 imported, 0 there", "passwords": "2: 2 imported, 0 there",
	"agent tags": "1: 1 imported, 0 there", "derivations": "8: 8 imported, 0 there", "builds": "8: 8 imported, 0 there",
	"build tags": "3: 3 imported, 0 there", "build results": "2: 2 imported, 0 there",
}

func TestAnImportedFarmGoesOn(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	if diff := cmp.Diff(whole, counts(u.into(f.Store, false))); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
	f.Restart()
	for id, want := range map[int]daemon.State{1: daemon.Ready, 2: daemon.Blocked, 3: daemon.Waiting, 4: daemon.Ready,
		5: daemon.Canceled, 6: daemon.Deferred, 7: daemon.Succeeded, 8: daemon.Failed} {
		if got := f.State(coordinatortest.UUID(id)); got != want {
			t.Errorf("build %d: got %s, want %s", id, got, want)
		}
	}
	hello, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(1))
	f.Must(err)
	tags := []daemon.Tag{{Key: "branch", Value: "master"}, {Key: "ram", Value: "64G"}}
	slices.SortFunc(hello.Tags, func(a, b daemon.Tag) int { return strings.Compare(a.Key, b.Key) })
	if hello.Priority != 5 || !slices.Equal(hello.Tags, tags) || !hello.Created.Equal(time.Date(2025, 8, 14, 1, 2, 3, 0, time.UTC)) {
		t.Errorf("got the build %+v", hello)
	}
	blocked, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(2))
	f.Must(err)
	if want := []string{coordinatortest.UUID(8)}; !slices.Equal(blocked.BlockedBy, want) {
		t.Errorf("got a build blocked by %q, want %q", blocked.BlockedBy, want)
	}
	broken, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(8))
	f.Must(err)
	if broken.FailureReason != "boom" || broken.Agent != bedok || broken.Ended.Hour() != 2 {
		t.Errorf("got the failed build %+v", broken)
	}

	f.Must(f.Coordinator.Authenticate(t.Context(), bedok, password))
	f.Must(f.Coordinator.Authenticate(t.Context(), bedok, "second"))
	if err := f.Coordinator.Authenticate(t.Context(), idle, password); daemon.CodeOf(err) != daemon.Denied {
		t.Errorf("with another agent's password: got the error %v, want one that is %s", err, daemon.Denied)
	}
	if strings.Contains(f.Dump(), password) {
		t.Error("the database holds the password in clear")
	}
	for id, want := range map[string]daemon.Agent{bedok: {Name: "bedok", Description: "TBFG agent", Active: true,
		Tags: []daemon.Tag{{Key: "ram", Value: "64G"}}}, idle: {}} {
		got, found, err := f.Store.Agent(t.Context(), id)
		f.Must(err)
		if want.ID, want.Mode = id, daemon.Working; !found || !cmp.Equal(got, want) {
			t.Errorf("got the agent %+v, want %+v", got, want)
		}
	}
	u.db.Close()
}

func TestTheSecondImportFindsAllThere(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	u.into(f.Store, false)
	before := f.Dump()
	want := make(map[string]string)
	for what, text := range whole {
		n, _, _ := strings.Cut(text, ":")
		want[what] = n + ": 0 imported, " + n + " there"
	}
	if diff := cmp.Diff(want, counts(u.into(f.Store, false))); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("database (-before +after)\n%s", diff)
	}
	u.exec("INSERT INTO agent_passwords VALUES (3, ?, 'third', NULL)", bedok)
	u.exec("INSERT INTO agent_tags VALUES (?, 2)", bedok)
	u.exec("INSERT INTO builds VALUES (9, ?, 7, 0, 0, 0, NULL, NULL, NULL)", coordinatortest.UUID(9))
	got := counts(u.into(f.Store, false))
	for what, want := range map[string]string{"passwords": "3: 1 imported, 2 there", "builds": "9: 1 imported, 8 there",
		"agent tags": "2: 0 imported, 1 there; 1 the agent was there already and keeps its tags"} {
		if got[what] != want {
			t.Errorf("with more in the file, %s: got %q, want %q", what, got[what], want)
		}
	}
	f.Restart()
	f.Must(f.Coordinator.Authenticate(t.Context(), bedok, "third"))
	if b, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(9)); err != nil || !b.Created.Equal(now) {
		t.Errorf("got %v, %v, want a build created at the time of the import", b.Created, err)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	f := coordinatortest.Open(t)
	u := small(t, f)
	before := f.Dump()
	report := u.into(f.Store, true)
	if diff := cmp.Diff(whole, counts(report)); diff != "" || !report.DryRun {
		t.Errorf("report (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("database (-before +after)\n%s", diff)
	}
}

func TestThePostsTablesAreEnough(t *testing.T) {
	f := coordinatortest.Open(t)
	u := newUpstream(t, postSchema)
	u.exec("INSERT INTO agents VALUES (?, 'TBFG agent', 'bedok', 1)", bedok)
	u.exec("INSERT INTO agent_passwords VALUES (1, ?, ?, '2025-08-13 00:00:00')", bedok, password)
	got := counts(u.into(f.Store, false))
	want := map[string]string{
		"agents": "1: 1 imported, 0 there", "agent names": "1: 1 imported, 0 there", "passwords": "1: 1 imported, 0 there",
		"agent tags":    "0: 0 imported, 0 there; the file has no table agent_tags",
		"derivations":   "0: 0 imported, 0 there; the file has no table derivations",
		"builds":        "0: 0 imported, 0 there; the file has no table builds",
		"build tags":    "0: 0 imported, 0 there; the file has no table build_tags",
		"build results": "0: 0 imported, 0 there; the file has no table build_results",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
	f.Must(f.Coordinator.Authenticate(t.Context(), bedok, password))
	passwords, err := f.Store.Passwords(t.Context(), bedok)
	f.Must(err)
	if len(passwords) != 1 || !passwords[0].Created.Equal(time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got the passwords %v", passwords)
	}
}

// Whatever is missing, the rest is imported, and the file can be read closed.
func TestWhatIsMissingIsReported(t *testing.T) {
	for change, want := range map[string]map[string]string{
		"DROP TABLE tags": {"agent tags": "0: 0 imported, 0 there; the file has no table tags", "builds": whole["builds"]},
		"DROP TABLE agents": {"agents": "0: 0 imported, 0 there; the file has no table agents",
			"passwords": "2: 0 imported, 0 there; 2 the agent is not known",
			"builds":    "8: 6 imported, 0 there; 2 it ended, but nothing that was imported says how"},
		"DROP TABLE build_results": {"builds": "8: 6 imported, 0 there; 2 it ended, but nothing that was imported says how"},
		"DROP TABLE derivation_inputs": {"derivations": "0: 0 imported, 0 there; the file has no table derivation_inputs",
			"builds": "8: 0 imported, 0 there; 8 the derivation is skipped or missing", "agents": whole["agents"]},
		"ALTER TABLE builds DROP COLUMN uuid": {"builds": "0: 0 imported, 0 there; the file's table builds has no column uuid",
			"build tags": "3: 0 imported, 0 there; 3 the build is skipped or missing", "derivations": whole["derivations"]},
		"ALTER TABLE builds DROP COLUMN processed":  whole,
		"ALTER TABLE builds DROP COLUMN priority":   whole,
		"ALTER TABLE builds DROP COLUMN created_at": whole,
		"ALTER TABLE agents DROP COLUMN active":     whole,
		"ALTER TABLE agents DROP COLUMN name": {"agents": whole["agents"],
			"agent names": "0: 0 imported, 0 there; the file's table agents has no column name"},
		"ALTER TABLE derivations DROP COLUMN fixed_output":     whole,
		"ALTER TABLE build_results DROP COLUMN failure_reason": whole,
	} {
		t.Run(change, func(t *testing.T) {
			f := coordinatortest.Open(t)
			u := small(t, f)
			u.exec(change)
			u.db.Close()
			got := counts(u.into(f.Store, false))
			for what := range want {
				if got[what] != want[what] {
					t.Errorf("%s: got %q, want %q", what, got[what], want[what])
				}
			}
			f.Restart()
			if entries, err := os.ReadDir(filepath.Dir(u.file)); err != nil || len(entries) != 1 {
				t.Errorf("next to the file: got %v, %v, want nothing", entries, err)
			}
		})
	}
}

func TestAReportForPeople(t *testing.T) {
	r := &gbcimport.Report{DryRun: true, Lines: []*gbcimport.Line{
		{What: "agents", InFile: 3, Imported: 1, Skipped: []gbcimport.Skip{{Why: "the id is not a UUID", Count: 2}}},
		{What: "builds", Lacking: "the file has no table builds"},
	}}
	var got strings.Builder
	r.Print(&got)
	want := `                 IN THE FILE  IMPORTED  ALREADY THERE  SKIPPED
agents                     3         1              0        2
builds                     0         0              0        0
agents, 2 skipped: the id is not a UUID
no builds: the file has no table builds
this was a dry run: nothing was imported
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
}
