package coordinator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"

	"github.com/google/go-cmp/cmp"
)

func TestAnAgentIsKept(t *testing.T) {
	f := coordinatortest.Open(t)
	id, err := f.NewAgent(t.Context(), "", "bedok", "TBFG agent")
	f.Must(err)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("got the UUID %q, want a random one of version 4", id)
	}
	second, err := f.NewAgent(t.Context(), coordinatortest.UUID(2), "", "")
	f.Must(err)
	f.Restart()
	got, err := f.Agents(t.Context())
	f.Must(err)
	want := []daemon.Agent{
		{ID: id, Name: "bedok", Description: "TBFG agent", Active: true, Mode: daemon.Working},
		{ID: second, Active: true, Mode: daemon.Working},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("agents (-want +got)\n%s", diff)
	}
}

func TestWhatIsNotNamedInAChangeStays(t *testing.T) {
	f := coordinatortest.Open(t)
	id, err := f.NewAgent(t.Context(), "", "bedok", "TBFG agent")
	f.Must(err)
	name, empty, no := "marina", "", false
	tags := []daemon.Tag{{Key: "place", Value: "home"}, {Key: "fast", Value: ""}}
	want := daemon.Agent{ID: id, Name: "bedok", Description: "TBFG agent", Active: true, Mode: daemon.Working}
	for _, tt := range []struct {
		what   string
		change daemon.AgentChange
		then   func()
	}{
		{"nothing", daemon.AgentChange{}, func() {}},
		{"the name", daemon.AgentChange{Name: &name}, func() { want.Name = name }},
		{"the description, to none", daemon.AgentChange{Description: &empty}, func() { want.Description = "" }},
		{"the tags", daemon.AgentChange{Tags: &tags}, func() { want.Tags = []daemon.Tag{tags[1], tags[0]} }},
		{"whether it is active", daemon.AgentChange{Active: &no}, func() { want.Active = false }},
		{"the tags, to none", daemon.AgentChange{Tags: &[]daemon.Tag{}}, func() { want.Tags = nil }},
	} {
		f.Must(f.ChangeAgent(t.Context(), id, tt.change))
		tt.then()
		got, err := f.Agent(t.Context(), id)
		f.Must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.what, diff)
		}
	}
}

func TestChangesOfAgentsThatAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	id, _ := f.Joined("bedok")
	ctx, long := t.Context(), strings.Repeat("x", 10_001)
	newAgent := func(id, name, description string) error {
		_, err := f.NewAgent(ctx, id, name, description)
		return err
	}
	newPassword := func(id string) error {
		_, err := f.NewPassword(ctx, id)
		return err
	}
	passwordDates := func(id string) error {
		_, err := f.PasswordDates(ctx, id)
		return err
	}
	nobody := coordinatortest.UUID(9)
	before := f.Dump()
	for _, tt := range []struct {
		name string
		err  error
		want daemon.Code
	}{
		{"a UUID that another has", newAgent(id, "", ""), daemon.Conflict},
		{"a UUID that is none", newAgent("bedok", "", ""), daemon.Invalid},
		{"a huge name", newAgent("", long, ""), daemon.Invalid},
		{"a huge description", newAgent("", "", long), daemon.Invalid},
		{"a change of nobody", f.ChangeAgent(ctx, nobody, daemon.AgentChange{Name: &long}), daemon.Invalid},
		{"a change of nobody's activity", f.ChangeAgent(ctx, nobody, daemon.AgentChange{Active: new(bool)}), daemon.NotFound},
		{"a change of no UUID", f.ChangeAgent(ctx, "bedok", daemon.AgentChange{}), daemon.Invalid},
		{"a huge new description", f.ChangeAgent(ctx, id, daemon.AgentChange{Description: &long}), daemon.Invalid},
		{"a tag without a key", f.ChangeAgent(ctx, id, daemon.AgentChange{Tags: &[]daemon.Tag{{}}}), daemon.Invalid},
		{"a password of nobody", newPassword(nobody), daemon.NotFound},
		{"a password of no UUID", newPassword("bedok"), daemon.Invalid},
		{"password dates of nobody", passwordDates(nobody), daemon.NotFound},
	} {
		if code := daemon.CodeOf(tt.err); code != tt.want {
			t.Errorf("%s: got the error %v (%s), want one that is %s", tt.name, tt.err, code, tt.want)
		}
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the database changed (-before +after)\n%s", diff)
	}
}

func TestAPasswordOpensItsAgentOnly(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, password := f.Joined("bedok")
	other, othersPassword := f.Joined("other")
	second, err := f.NewPassword(t.Context(), agent)
	f.Must(err)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{40}$`).MatchString(password) || password == second {
		t.Errorf("got the passwords %q and %q, want two of 40 characters of the URL-safe alphabet", password, second)
	}
	f.Must(f.AddPassword(t.Context(), other, "chosen by hand"))
	f.Restart()
	for _, tt := range []struct {
		name, agent, password string
		opens                 bool
	}{
		{"its password", agent, password, true},
		{"its second password", agent, second, true},
		{"a password that was chosen", other, "chosen by hand", true},
		{"another's password", agent, othersPassword, false},
		{"no password", agent, "", false},
		{"the beginning of it", agent, password[:39], false},
		{"more than it", agent, password + "A", false},
		{"another case", agent, strings.ToUpper(password), false},
		{"nobody's password", coordinatortest.UUID(9), password, false},
		{"no agent", "", password, false},
		{"what is stored", agent, storedPassword(t, f, agent), false},
	} {
		err := f.Authenticate(t.Context(), tt.agent, tt.password)
		if tt.opens != (err == nil) || !tt.opens && daemon.CodeOf(err) != daemon.Denied {
			t.Errorf("%s: got %v, want that it opens: %t", tt.name, err, tt.opens)
		}
	}
	dates, err := f.PasswordDates(t.Context(), agent)
	f.Must(err)
	if len(dates) != 2 || !dates[0].Equal(f.Clock.Now()) {
		t.Errorf("got the dates %v, want two of now", dates)
	}
}

func storedPassword(t *testing.T, f *coordinatortest.Farm, agent string) string {
	t.Helper()
	stored, err := f.Store.Passwords(t.Context(), agent)
	f.Must(err)
	return stored[0].Hash
}

func TestPasswordsAreNowhere(t *testing.T) {
	f := coordinatortest.Open(t)
	var secrets []string
	for i := range 5 {
		agent, password := f.Joined(fmt.Sprint("agent", i))
		f.Must(f.Authenticate(t.Context(), agent, password))
		secrets = append(secrets, password)
	}
	files, err := filepath.Glob(f.Database + "*")
	f.Must(err)
	if len(files) < 2 {
		t.Fatalf("got the files %v, want the database and its write-ahead log", files)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		f.Must(err)
		for _, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("a password stands in %s", file)
			}
		}
	}
	for _, secret := range secrets {
		if strings.Contains(f.Log.String(), secret) {
			t.Errorf("a password stands in the log")
		}
	}
}

func TestTheSameSecretIsStoredDifferentlyEachTime(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	seen := make(map[string]bool)
	for range 10 {
		f.Must(f.AddPassword(t.Context(), agent, "secret"))
	}
	stored, err := f.Store.Passwords(t.Context(), agent)
	f.Must(err)
	for _, p := range stored {
		seen[p.Hash] = true
		if !regexp.MustCompile(`^sha256:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$`).MatchString(p.Hash) {
			t.Errorf("got the stored form %q, want sha256:SALT:HASH", p.Hash)
		}
	}
	if len(seen) != 11 {
		t.Errorf("got %d different forms, want 11", len(seen))
	}
}

// What stands in the database may be anything, for instance a password in
// clear that an upstream coordinator stored.
func TestStoredFormsThatOpenNothing(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	for _, stored := range []string{"", "secret", "sha256:", "sha256::", "sha256:!:secret", "md5:AAAA:secret", "sha256:AAAA:", "sha256:AAAA"} {
		f.Exec("UPDATE agent_passwords SET password = ?", stored)
		for _, password := range []string{"", "secret", stored} {
			if err := f.Authenticate(t.Context(), agent, password); daemon.CodeOf(err) != daemon.Denied {
				t.Errorf("stored %q, said %q: got %v, want that it is denied", stored, password, err)
			}
		}
	}
}

func TestAStatusOutlivesTheCoordinator(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	if got, err := f.Agent(t.Context(), agent); err != nil || got.Status != nil {
		t.Errorf("before a report: got %+v, %v; want none", got.Status, err)
	}
	f.Must(f.ReportStatus(t.Context(), agent, daemon.AgentStatus{Status: "idle"}))
	f.Must(f.ReportStatus(t.Context(), agent, daemon.AgentStatus{Status: "running", Load1Min: 1.5, Processors: 4}))
	for _, when := range []string{"at once", "after a restart"} {
		got, err := f.Agent(t.Context(), agent)
		f.Must(err)
		want := &daemon.AgentStatus{Status: "running", Load1Min: 1.5, Processors: 4, Time: f.Clock.Now()}
		if diff := cmp.Diff(want, got.Status); diff != "" {
			t.Errorf("%s: status (-want +got)\n%s", when, diff)
		}
		f.Restart()
	}
}
