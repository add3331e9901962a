package coordinator_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

func TestOldBuildsAreForgotten(t *testing.T) {
	for name, policy := range map[string]coordinator.Policy{
		"by age":   {KeepFor: 48 * time.Hour},
		"by count": {KeepBuilds: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.Policy = policy })
			agent, _ := f.Joined("bedok")
			var builds []string
			for i := range 4 {
				uuid := f.Added(f.Derivation(fmt.Sprint("drv", i)))
				f.Given(agent, 1)
				f.Must(f.ReportStart(t.Context(), agent, uuid))
				f.Must(f.SaveLog(t.Context(), agent, uuid, "none", strings.NewReader("log")))
				f.Ended(agent, uuid, i%2 == 0)
				builds = append(builds, uuid)
				f.Clock.Advance(24 * time.Hour)
			}
			waiting := f.Added(f.Derivation("waiting"))
			f.Must(f.ForgetOld(t.Context()))
			left, err := f.Coordinator.Builds(t.Context(), coordinator.Filter{})
			f.Must(err)
			if len(left) != 3 || left[0].UUID != builds[2] || left[2].UUID != waiting {
				t.Fatalf("got %v, want the two newest and the one that has not ended", left)
			}
			for i, uuid := range builds {
				_, err := f.Coordinator.Build(t.Context(), uuid)
				if found := err == nil; found != (i >= 2) {
					t.Errorf("build %d: got %v", i, err)
				}
			}
		})
	}
}

func TestNothingIsHandedOutWithoutRoom(t *testing.T) {
	var full atomic.Bool
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) {
		c.Room = func() error {
			if full.Load() {
				return errors.New("the disk is full")
			}
			return nil
		}
	})
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	full.Store(true)
	f.Must(f.LookForRoom(t.Context()))
	if got := f.Given(agent, 1); len(got) != 0 || f.Trouble() == nil {
		t.Fatalf("got %v and the trouble %v, want nothing handed out", got, f.Trouble())
	}
	full.Store(false)
	f.Must(f.LookForRoom(t.Context()))
	if got := f.Given(agent, 1); len(got) != 1 || got[0] != build || f.Trouble() != nil {
		t.Fatalf("got %v and the trouble %v, want the build", got, f.Trouble())
	}
}

func TestPausedAgentsGetNothing(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	held := f.Added(f.Derivation("held"))
	f.Given(agent, 1)
	f.Added(f.Derivation("more"))
	for _, mode := range []daemon.Mode{daemon.Paused, daemon.Draining} {
		f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Mode: &mode}))
		f.Restart()
		if got := f.Given(agent, 5); len(got) != 1 || got[0] != held {
			t.Errorf("%s: got %v, want what it held", mode, got)
		}
	}
	working := daemon.Working
	f.Must(f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Mode: &working}))
	if got := f.Given(agent, 5); len(got) != 2 {
		t.Errorf("resumed: got %v, want both", got)
	}
	wrong := daemon.Mode("lazy")
	if err := f.ChangeAgent(t.Context(), agent, daemon.AgentChange{Mode: &wrong}); daemon.CodeOf(err) != daemon.Invalid {
		t.Errorf("an unknown mode: got %v", err)
	}
}

func TestTokens(t *testing.T) {
	f := coordinatortest.Open(t)
	token, err := f.NewToken(t.Context(), "cloud", f.Clock.Now().Add(time.Hour))
	f.Must(err)
	if strings.Contains(f.Dump(), token) {
		t.Error("the token is in the database")
	}
	id, password, err := f.Enrol(t.Context(), "one", token)
	f.Must(err)
	f.Must(f.Authenticate(t.Context(), id, password))
	same, second, err := f.Enrol(t.Context(), "one", token)
	f.Must(err)
	other, _, err := f.Enrol(t.Context(), "two", token)
	f.Must(err)
	if same != id || second == password || other == id {
		t.Errorf("got the agents %s, %s and %s, want the name to tell them apart", id, same, other)
	}
	before := f.Dump()
	for name, enrol := range map[string]func() error{
		"a wrong token": func() error { _, _, err := f.Enrol(t.Context(), "three", "wrong"); return err },
		"one that expired": func() error {
			f.Clock.Advance(2 * time.Hour)
			_, _, err := f.Enrol(t.Context(), "three", token)
			return err
		},
	} {
		if err := enrol(); daemon.CodeOf(err) != daemon.Denied {
			t.Errorf("%s: got %v, want it denied", name, err)
		}
	}
	if f.Dump() != before {
		t.Error("a refusal changed the database")
	}
	lasting, err := f.NewToken(t.Context(), "", time.Time{})
	f.Must(err)
	tokens, err := f.Tokens(t.Context())
	f.Must(err)
	if len(tokens) != 2 {
		t.Fatalf("got the tokens %v, want two", tokens)
	}
	f.Must(f.RevokeToken(t.Context(), tokens[1].ID))
	if _, _, err := f.Enrol(t.Context(), "three", lasting); daemon.CodeOf(err) != daemon.Denied {
		t.Errorf("a revoked token: got %v, want it denied", err)
	}
}

func TestEventsAreForgottenByNumberAndByAge(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep func(*coordinator.Config)
		want []int64 // the oldest kept, after 10 events at a time, an hour apart
	}{
		{"all are kept", func(*coordinator.Config) {}, []int64{1, 1, 1}},
		{"by number", func(c *coordinator.Config) { c.KeepEvents = 12 }, []int64{1, 9, 19}},
		{"by age", func(c *coordinator.Config) { c.KeepEventsFor = 90 * time.Minute }, []int64{1, 1, 11}},
		{"by both", func(c *coordinator.Config) { c.KeepEvents, c.KeepEventsFor = 5, 90*time.Minute }, []int64{6, 16, 26}},
	} {
		f := coordinatortest.OpenWith(t, tt.keep)
		agent, err := f.NewAgent(t.Context(), "", "bedok", "") // event 1
		f.Must(err)
		for round, want := range tt.want {
			for range 10 - max(0, 1-round) {
				f.Must(f.ReportStatus(t.Context(), agent, daemon.AgentStatus{Status: "idle"}))
			}
			f.Must(f.ForgetEvents(t.Context()))
			oldest, newest, err := f.EventRange(t.Context())
			if err != nil || oldest != want || newest != int64(10*round+10) {
				t.Errorf("%s, round %d: got %d to %d, %v; want %d to %d", tt.name, round, oldest, newest, err, want, 10*round+10)
			}
			f.Clock.Advance(time.Hour)
		}
		// The newest stays, however old: no id is used twice.
		f.Clock.Advance(1000 * time.Hour)
		f.Must(f.ForgetEvents(t.Context()))
		f.Restart()
		f.Must(f.ReportStatus(t.Context(), agent, daemon.AgentStatus{Status: "idle"}))
		if _, newest, err := f.EventRange(t.Context()); err != nil || newest != 31 {
			t.Errorf("%s: got the id %d, %v; want 31", tt.name, newest, err)
		}
	}
}
