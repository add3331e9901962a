package history

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// told waits until the hooks have been told of everything.
func (w *World) told(t *testing.T, s *Scribe) []Told {
	t.Helper()
	client := clientapi.NewClient(w.ClientURL)
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		err := client.HookEvents(t.Context(), false, func(e wire.HookEvent) error {
			if left++; e.Parked {
				t.Fatalf("the event %d, %s of %s, was given up: %s", e.ID, e.Event, e.Subject, e.Error)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d events were not told", left)
		}
	}
	told, err := s.Told()
	if err != nil || len(told) == 0 {
		t.Fatalf("got %d events, %v", len(told), err)
	}
	return told
}

// newCrowd makes a token.
func (w *World) newCrowd(t *testing.T) *Crowd {
	t.Helper()
	token, err := clientapi.NewClient(w.ClientURL).NewToken(t.Context(), wire.NewTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return &Crowd{World: w, Token: token}
}

// hire makes an agent of a machine that enrols.
func (c *Crowd) hire(t *testing.T, random *rand.Rand, name string, limit int, systems ...string) *Agent {
	t.Helper()
	if err := c.Enrol(t.Context(), random, name); err != nil {
		t.Fatal(err)
	}
	e := c.Enrolled()[0]
	return &Agent{World: c.World, ID: e.ID, Client: agentapi.NewClient(c.AgentURL, e.ID, e.Password), Systems: systems, Limit: limit,
		Patience: 300 * time.Millisecond}
}

// check checks that each name has one agent, which every password opens that a
// machine was answered, and that a token which was revoked stays so. It returns
// how many machines were answered.
func (c *Crowd) check(t *testing.T, f *Farm) int {
	t.Helper()
	client := clientapi.NewClient(c.ClientURL)
	enrolled := c.Enrolled()
	for _, e := range enrolled {
		if _, err := agentapi.NewClient(c.AgentURL, e.ID, e.Password).FetchBuilds(t.Context(), Systems, 0, 0); err != nil {
			t.Errorf("%s, which enrolled as %s, cannot ask for builds: %v", e.Name, e.ID, err)
		}
	}
	agents, err := client.Agents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string][]string)
	for _, a := range agents {
		byName[a.Name] = append(byName[a.Name], a.ID)
	}
	for _, e := range enrolled {
		if !slices.Equal(byName[e.Name], []string{e.ID}) {
			t.Errorf("%s enrolled as %s, but the agents of this name are %v", e.Name, e.ID, byName[e.Name])
		}
	}
	tokens, err := client.Tokens(t.Context())
	if err != nil || len(tokens) != 1 {
		t.Fatalf("got the tokens %v, %v, want one", tokens, err)
	}
	if err := client.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	f.Kill()
	f.Start()
	var refused *wire.StatusError
	if _, _, err := agentapi.Enrol(t.Context(), c.AgentURL, "late", c.Token, nil); !errors.As(err, &refused) || refused.Status != 403 {
		t.Errorf("with a revoked token, after a restart: got %v, want HTTP 403", err)
	}
	return len(enrolled)
}
