//go:debug default=go1.25

package history

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What agents tell of what they asked and heard is what was recorded of it.
func TestTheRecorderSeesWhatAgentsSee(t *testing.T) {
	seed := seed(t)
	w, farm := newWorld(t, seed, 3, 8, nil)
	var seen History
	recorder, err := seen.Recorder(farm.AgentURL)
	if err != nil {
		t.Fatal(err)
	}
	between := httptest.NewServer(recorder)
	t.Cleanup(between.Close)
	client := clientapi.NewClient(w.ClientURL)
	for _, path := range w.Paths {
		if _, err := client.Submit(t.Context(), daemon.Submission{Derivation: path}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var agents sync.WaitGroup
	for i, name := range []string{"anson", "bedok"} {
		a := w.newAgent(t, name, 3, Systems...)
		password, err := client.NewPassword(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		a.Client = agentapi.NewClient(between.URL, a.ID, password)
		agents.Go(func() { a.Run(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	w.drain(t)
	stop()
	agents.Wait()

	// The end interrupts requests, of which the two may know different things.
	answered := func(h *History) []Event {
		return slices.DeleteFunc(h.Events(), func(e Event) bool { return !e.Done() })
	}
	sorted := cmpopts.SortSlices(func(a, b Event) bool {
		return slices.Compare(key(a), key(b)) < 0
	})
	if diff := cmp.Diff(answered(&w.History), answered(&seen), sorted,
		cmpopts.IgnoreFields(Event{}, "Sent", "Answered", "Text"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what agents saw (-) and what was recorded (+):\n%s", diff)
	}
}

// key is what events of one run are told apart by, as far as they need be.
func key(e Event) []string {
	return []string{string(e.Kind), e.Who, e.Build, strings.Join(e.Builds, " "), strings.Join(e.Gone, " ")}
}
