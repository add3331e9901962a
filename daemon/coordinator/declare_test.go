package coordinator_test

import (
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"

	"github.com/google/go-cmp/cmp"
)

// agentCalled is the agent with a name.
func agentCalled(t *testing.T, f *coordinatortest.Farm, name string) daemon.Agent {
	t.Helper()
	agents, err := f.Agents(t.Context())
	f.Must(err)
	for _, a := range agents {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("there is no agent %s", name)
	return daemon.Agent{}
}

func TestDeclaredAgentsAreAsTheConfigurationSays(t *testing.T) {
	f := coordinatortest.Open(t)
	ctx := t.Context()
	by := []daemon.Tag{{Key: "by", Value: "hand"}}
	declare := func(declared ...daemon.DeclaredAgent) []string {
		t.Helper()
		gone, err := f.Declare(ctx, declared)
		f.Must(err)
		return gone
	}
	bedok := daemon.DeclaredAgent{Name: "bedok", Description: "fast", Tags: []daemon.Tag{{Key: "size", Value: "large"}}}
	marina := daemon.DeclaredAgent{Name: "marina"}
	declare(bedok, marina)
	first := agentCalled(t, f, "bedok")
	if diff := cmp.Diff(bedok, daemon.DeclaredAgent{Name: first.Name, Description: first.Description, Tags: first.Tags}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	f.Must(f.ChangeAgent(ctx, first.ID, daemon.AgentChange{Tags: &by}))
	tokens := make(map[string]string)
	for _, name := range []string{"bedok", "marina"} {
		token, err := f.NewAgentToken(ctx, name)
		f.Must(err)
		tokens[name] = token
	}
	f.Restart()
	declare(bedok, marina)
	again := agentCalled(t, f, "bedok")
	if again.ID != first.ID || !cmp.Equal(again.Tags, bedok.Tags) {
		t.Errorf("got %+v, want the agent %s as it is declared", again, first.ID)
	}

	if id, _, err := f.Enrol(ctx, "bedok", tokens["bedok"]); err != nil || id != first.ID {
		t.Errorf("enrol: got %s, %v; want the declared agent", id, err)
	}
	for _, name := range []string{"marina", "anybody"} {
		if _, _, err := f.Enrol(ctx, name, tokens["bedok"]); daemon.CodeOf(err) != daemon.Denied {
			t.Errorf("enrol as %s with another's token: got %v, want that it is denied", name, err)
		}
	}
	newer, err := f.NewAgentToken(ctx, "bedok")
	f.Must(err)
	for token, want := range map[string]bool{tokens["bedok"]: false, newer: true} {
		if ok, err := f.CanEnrol(ctx, "bedok", token); ok != want || err != nil {
			t.Errorf("got %v, %v for a token, want %v", ok, err, want)
		}
	}

	if gone := declare(marina); !cmp.Equal(gone, []string{"bedok"}) {
		t.Errorf("got %q gone, want bedok", gone)
	}
	if agentCalled(t, f, "bedok").Active || !agentCalled(t, f, "marina").Active {
		t.Error("want bedok not active, and marina active")
	}
	if _, _, err := f.Enrol(ctx, "bedok", newer); daemon.CodeOf(err) != daemon.Denied {
		t.Errorf("enrol an agent that is gone: got %v, want that it is denied", err)
	}
	declare(bedok, marina)
	if _, err := f.NewAgentToken(ctx, "bedok"); err != nil || !agentCalled(t, f, "bedok").Active {
		t.Errorf("declared again: got %v, want it active", err)
	}
}

func TestDeclaredSystemsBoundWhatAnAgentGets(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	f.Added(f.Derivation("hello"))
	fetch := func() int {
		t.Helper()
		builds, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System, "other-linux"}, Target: 1})
		f.Must(err)
		return len(builds)
	}
	for _, tt := range []struct {
		systems []string
		want    int
	}{{[]string{"other-linux"}, 0}, {nil, 1}} {
		_, err := f.Declare(t.Context(), []daemon.DeclaredAgent{{Name: "bedok", Systems: tt.systems}})
		f.Must(err)
		if got := fetch(); got != tt.want {
			t.Errorf("declared for %q: got %d builds, want %d", tt.systems, got, tt.want)
		}
	}
}
