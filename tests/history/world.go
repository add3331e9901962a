package history

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A World is a farm with all that the simulated agents and clients share.
type World struct {
	AgentURL, ClientURL string
	// Wait returns when the farm is thought to be up. Those whose request
	// failed wait before they repeat it.
	Wait func(context.Context) error
	*Graph
	History
	Seed uint64 // decides how builds end

	mu    sync.Mutex // guards known
	known []string   // builds that clients and agents heard of
}

// tell makes builds known to all.
func (w *World) tell(builds ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = append(w.known, builds...)
}

// any is a build that is known; empty if there is none.
func (w *World) any(random *rand.Rand) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) == 0 {
		return ""
	}
	return w.known[random.IntN(len(w.known))]
}

// chance decides something about a build, the same way each time.
func (w *World) chance(what, build string, percent uint64) bool {
	h := fnv.New64a()
	h.Write([]byte{byte(w.Seed), byte(w.Seed >> 8), byte(w.Seed >> 16), byte(w.Seed >> 24)})
	h.Write([]byte(what + build))
	return h.Sum64()>>8%100 < percent
}

// Succeeds tells how a build ends.
func (w *World) Succeeds(build string) bool { return w.chance("ends", build, 92) }

// insist repeats a request until it is answered, or until it is tried for the
// last time, as a peer may be gone for ever after any attempt.
func (w *World) insist(ctx context.Context, random *rand.Rand, e Event, request func(*Event) error) (Event, error) {
	for {
		done, err := w.Do(e, request)
		var refused *wire.StatusError
		if err == nil || errors.As(err, &refused) && refused.Status < 500 || ctx.Err() != nil {
			return done, err
		}
		if random.IntN(10) == 0 {
			return done, err
		}
		if err := w.Wait(ctx); err != nil {
			return done, err
		}
	}
}
