package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Pauses between attempts: they double from the first to the last, and each
// is shortened at random by up to a half, so that agents do not come back to
// a restarted coordinator all at once. They go on for as long as it takes.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 30 * time.Second
)

// insist repeats a request until the coordinator takes or refuses it, or ctx
// ends. This is the only place where requests are repeated.
func (a *Agent) insist(ctx context.Context, what string, do func(context.Context) error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		var status *wire.StatusError
		if err == nil || errors.As(err, &status) {
			a.contact.Store(time.Now().UnixNano())
		}
		if err == nil {
			if attempt > 1 {
				a.Log.Info("could at last "+what, "attempts", attempt)
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if status != nil && !passing(status.Status) {
			return err
		}
		if attempt == 1 {
			a.Log.Warn("cannot "+what+"; trying again until it works", "err", err)
		}
		wait := pause - rand.N(pause/2)
		if status != nil {
			wait = max(wait, min(status.RetryAfter, 10*time.Minute))
		}
		sleep(ctx, wait)
		pause = min(2*pause, lastPause)
	}
}

// passing tells which answers may change by themselves.
func passing(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}
