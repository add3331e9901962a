package agent

import (
	"context"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
)

// ahead is what is done for builds before their turn comes: they are set up
// while others run, so that no slot waits for it.
type ahead struct {
	mu     sync.Mutex // guards builds, for moments only
	builds map[string]*early
}

// An early is a build that is being set up, or is.
type early struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once the rest is there

	t       *attempt // nil if there is a failure or an error
	failure *daemon.SetupFailure
	err     error
}

// setUpEarly begins to set up a build that has to wait for its turn.
func (a *Agent) setUpEarly(ctx context.Context, b daemon.Allocation) {
	a.ahead.mu.Lock()
	defer a.ahead.mu.Unlock()
	if a.ahead.builds[b.UUID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	e := &early{cancel: cancel, done: make(chan struct{})}
	if a.ahead.builds == nil {
		a.ahead.builds = make(map[string]*early)
	}
	a.ahead.builds[b.UUID] = e
	a.builds.Go(func() {
		defer close(e.done)
		e.t, e.failure, e.err = a.setUp(ctx, b.Derivation)
	})
}

// take waits for what was begun for a build, whose turn has come. All results
// are nil if nothing was, or if that came to nothing: then it is begun anew.
func (h *ahead) take(ctx context.Context, build string) (*attempt, *daemon.SetupFailure, error) {
	e := h.remove(build)
	if e == nil {
		return nil, nil, nil
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		e.discard()
		return nil, nil, context.Cause(ctx)
	}
	if e.err != nil {
		return nil, nil, nil
	}
	return e.t, e.failure, nil
}

// drop forgets a build that is not ours any more.
func (h *ahead) drop(build string) {
	if e := h.remove(build); e != nil {
		e.discard()
	}
}

// dropAll forgets all builds.
func (h *ahead) dropAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for build, e := range h.builds {
		delete(h.builds, build)
		e.discard()
	}
}

func (h *ahead) remove(build string) *early {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.builds[build]
	delete(h.builds, build)
	return e
}

// discard undoes what was set up, once it is.
func (e *early) discard() {
	e.cancel()
	go func() {
		<-e.done
		if e.t != nil {
			e.t.conn.Close()
		}
	}()
}
