//go:debug default=go1.25

package system

import (
	"net/http/httptest"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/tests/history"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A witness knows all that agents and the test asked of a farm, and what was
// answered.
type witness struct {
	*history.World
	f *farm
}

// witness records what agents ask that are started from now on.
func (f *farm) witness() *witness {
	f.t.Helper()
	w := &witness{&history.World{ClientURL: f.clientURL, Graph: history.EmptyGraph()}, f}
	recorder, err := w.Recorder(f.agentURL)
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewServer(recorder)
	f.t.Cleanup(func() {
		server.CloseClientConnections() // the agents still ask
		server.Close()
	})
	f.agentURL = server.URL
	return w
}

// know tells it of a derivation; those of its inputs it knows.
func (w *witness) know(d *toy.Drv) {
	w.f.t.Helper()
	drv, err := derivation.Parse(d.Text)
	if err != nil {
		w.f.t.Fatal(err)
	}
	w.Add(d.Path, drv)
}

// submit asks for a build and returns its UUID.
func (w *witness) submit(d *toy.Drv) (uuid string) {
	w.f.t.Helper()
	_, err := w.Do(history.Event{Kind: history.Submit, Who: "test", Derivation: d.Path}, func(e *history.Event) error {
		done, err := w.f.Submit(w.f.ctx, daemon.Submission{Derivation: d.Path})
		uuid, e.Builds = done.Submitted, []string{done.Submitted}
		return err
	})
	if err != nil {
		w.f.t.Fatal(err)
	}
	return uuid
}

// check compares that with what the farm says when all builds are over.
func (w *witness) check() {
	w.f.t.Helper()
	all, err := w.All(w.f.ctx)
	if err != nil {
		w.f.t.Fatal(err)
	}
	for _, wrong := range w.Check(history.Account{Builds: all, Drained: true}) {
		w.f.t.Error(wrong)
	}
	kinds := make(map[history.Kind]int)
	for _, e := range w.Events() {
		kinds[e.Kind]++
	}
	w.f.t.Logf("%d requests: %v", len(w.Events()), kinds)
}
