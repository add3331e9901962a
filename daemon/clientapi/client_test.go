package clientapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTheClientSubmitsAndShowsABuild(t *testing.T) {
	f := open(t)
	c := clientapi.NewClient(f.url + "/")
	drv := f.Derivation("hello", f.Derivation("input"))
	s := daemon.Submission{
		Derivation: drv, SubstituteURLs: []string{"https://one"}, Priority: -3, UUID: coordinatortest.UUID(1),
		Tags: []daemon.Tag{{Key: "k", Value: "v"}}, NotBefore: f.Clock.Now().Add(time.Hour), WithInputs: true,
	}
	reply, err := c.Submit(t.Context(), s)
	f.Must(err)
	if diff := cmp.Diff(wire.SubmissionReply{Submitted: s.UUID, Inputs: 1}, reply); diff != "" {
		t.Errorf("reply (-want +got)\n%s", diff)
	}
	s.UUID, s.SkipIfDerivationHasBuild = "", true
	reply, err = c.Submit(t.Context(), s)
	f.Must(err)
	if diff := cmp.Diff(wire.SubmissionReply{NotSubmitted: daemon.DerivationHasBuild}, reply); diff != "" {
		t.Errorf("reply (-want +got)\n%s", diff)
	}
	got, err := c.Build(t.Context(), coordinatortest.UUID(1))
	f.Must(err)
	b, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(1))
	f.Must(err)
	if diff := cmp.Diff(wire.NewBuildDetail(b), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("build (-want +got)\n%s", diff)
	}
}

// A whole page and one build more.
func TestTheClientSeesEveryPage(t *testing.T) {
	f := open(t)
	input := f.Derivation("input")
	f.Added(f.Derivation("drv", input))
	for n := range 1000 {
		f.Exec(`INSERT INTO builds (uuid, derivation_id, created_at) VALUES (?, 1, '2025-08-13 00:00:00')`, coordinatortest.UUID(n))
	}
	seen := make(map[string]bool)
	f.Must(clientapi.NewClient(f.url).Builds(t.Context(), url.Values{}, 0, func(b wire.Build) error {
		seen[b.UUID] = true
		return nil
	}))
	if len(seen) != 1001 {
		t.Errorf("got %d builds, want 1001", len(seen))
	}
}

func TestTheClientMakesAndChangesAgents(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	c := clientapi.NewClient(f.url)
	id, err := c.NewAgent(ctx, "bedok", "TBFG agent")
	f.Must(err)
	password, err := c.NewPassword(ctx, id)
	f.Must(err)
	f.Must(f.Authenticate(ctx, id, password))
	dates, err := c.PasswordDates(ctx, id)
	f.Must(err)
	if diff := cmp.Diff([]time.Time{f.Clock.Now()}, dates); diff != "" {
		t.Errorf("dates (-want +got)\n%s", diff)
	}
	empty, no := "", false
	f.Must(c.ChangeAgent(ctx, id, wire.AgentChange{Description: &empty, Active: &no, Tags: &[]wire.Tag{{Key: "k", Value: "v"}}}))
	_, err = f.FetchBuilds(ctx, id, coordinator.Fetch{Systems: []string{"x86_64-linux", "i686-linux"}})
	f.Must(err)
	agent, err := c.Agent(ctx, id)
	f.Must(err)
	want := wire.Agent{ID: id, Name: "bedok", Mode: daemon.Working, Systems: []string{"i686-linux", "x86_64-linux"},
		Tags: []wire.Tag{{Key: "k", Value: "v"}}, Allocated: []wire.Allocation{}}
	if diff := cmp.Diff(want, agent); diff != "" {
		t.Errorf("agent (-want +got)\n%s", diff)
	}
	agents, err := c.Agents(ctx)
	f.Must(err)
	if diff := cmp.Diff([]wire.Agent{want}, agents); diff != "" {
		t.Errorf("agents (-want +got)\n%s", diff)
	}
}

func TestTheClientHearsWhyItIsRefused(t *testing.T) {
	f := open(t)
	c := clientapi.NewClient(f.url)
	_, buildErr := c.Build(t.Context(), coordinatortest.UUID(9))
	_, agentErr := c.Agent(t.Context(), "bedok")
	_, submitErr := c.Submit(t.Context(), daemon.Submission{Derivation: "/gnu/store/hello"})
	for _, tt := range []struct {
		err    error
		status int
		text   string
	}{
		{buildErr, http.StatusNotFound, "there is no build " + coordinatortest.UUID(9)},
		{agentErr, http.StatusBadRequest, `"bedok" is not a UUID such as 7bdd2249-1214-431a-aa61-de4d907f1b32`},
		{submitErr, http.StatusBadRequest, `store path "/gnu/store/hello": want 32 characters of hash, a hyphen and a name`},
	} {
		var status *wire.StatusError
		if !errors.As(tt.err, &status) || status.Status != tt.status || tt.err.Error() != tt.text {
			t.Errorf("got the error %v, want %d %s", tt.err, tt.status, tt.text)
		}
	}
}

func TestTheClientPassesOnWhatItsCallerSays(t *testing.T) {
	f := history(t)
	enough := fmt.Errorf("enough")
	err := clientapi.NewClient(f.url).Builds(t.Context(), url.Values{}, 0, func(wire.Build) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got the error %v, want %v", err, enough)
	}
}
