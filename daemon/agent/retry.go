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
		var used string
		if a.Reread != nil {
			used = a.api.Password()
		}
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
			switch a.doubt(ctx, status, used) {
			case otherPassword:
				continue
			case itself:
				return err
			}
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

// A doubt is what may be the matter with a refusal.
type doubt int

const (
	itself        doubt = iota // what was asked for is refused
	otherPassword              // it was made with a password that was changed since
	noPassword                 // the coordinator takes nothing from us until our password is changed
)

// doubt finds out what a refusal means. Credentials are rotated in two steps,
// in any order, and nothing that is to be delivered must be lost between them.
func (a *Agent) doubt(ctx context.Context, refusal *wire.StatusError, used string) doubt {
	if a.Reread == nil || refusal.Status != http.StatusUnauthorized && refusal.Status != http.StatusForbidden {
		return itself
	}
	a.RereadPassword()
	if a.api.Password() != used {
		return otherPassword
	}
	if !a.introduced.Load() {
		return itself // wrong from the beginning
	}
	var status *wire.StatusError
	err := a.api.ReportStatus(ctx, a.status(0), false)
	if errors.As(err, &status) && (status.Status == http.StatusUnauthorized || status.Status == http.StatusForbidden) {
		return noPassword
	}
	return itself
}

// RereadPassword heeds a password that was changed.
func (a *Agent) RereadPassword() {
	password, err := a.Reread()
	switch {
	case err != nil:
		a.Log.Warn("cannot read the password anew; going on with the one there was", "err", err)
	case password != a.api.Password():
		a.api.SetPassword(password)
		a.Log.Info("the password has changed; going on with the new one")
	}
}
