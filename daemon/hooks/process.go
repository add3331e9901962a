package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"codeberg.org/tbfg/tbfg/daemon"
)

// Pauses between attempts double from the first to the last, and each is
// shortened at random by up to a half, so that what fails together does not
// come back together.
const (
	firstPause = time.Second
	lastPause  = 10 * time.Minute
)

// pause is how long to wait after so many failures.
func pause(failures int) time.Duration {
	p := lastPause
	if failures < 11 {
		p = min(firstPause<<(failures-1), lastPause)
	}
	return p - rand.N(p/2)
}

// maxText bounds what is kept of a failure.
const maxText = 1024

// forRecord is how long it may take to record how a hook ended. It is not
// cut short when the program ends: what is not recorded is told again.
const forRecord = 30 * time.Second

// refusal is an error that another attempt cannot mend.
type refusal struct{ error }

func refuse(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// maxTroubles bounds the pauses when the fault is not the hook's, to about
// half a minute.
const maxTroubles = 6

// never is the time of the next attempt at an event that is told or parked.
var never = time.Unix(1<<40, 0)

// over tells whether nothing more is to be done about an event.
func (it *item) over() bool { return it.again.Equal(never) }

// process tells a hook of an event, records how that ended, and sets the time
// of the next attempt.
func (d *dispatcher) process(h *hook, it *item) {
	again, err := d.attempt(h, it)
	it.again = again
	if err == nil {
		it.troubles = 0
		return
	}
	// The outbox is in trouble, or the program ends.
	it.troubles++
	it.again = time.Now().Add(pause(min(it.troubles, maxTroubles)))
	if d.work.Err() == nil && it.troubles == 1 {
		d.Log.Warn("cannot keep account of a hook; trying again", "hook", it.hook, "event", it.event, "subject", it.subject, "err", err)
	}
}

// attempt returns the time of the next attempt, or an error if the outbox
// could not be asked or told.
func (d *dispatcher) attempt(h *hook, it *item) (again time.Time, err error) {
	// The event's text is read only now, and with that we see whether it is
	// still there: a record that seemed to fail may have been made.
	events, err := d.outbox.HookEvents(d.work, it.id-1, false, 1)
	if err != nil {
		return again, err
	}
	if len(events) == 0 || !it.is(&events[0]) {
		return never, nil
	}
	e := events[0]
	if !it.told {
		ctx, cancel := context.WithTimeout(d.work, h.timeout)
		began := time.Now()
		err := h.tell(ctx, e)
		if d.Told != nil {
			d.Told(e.Event, time.Since(began), err != nil)
		}
		late := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
		case d.work.Err() != nil:
			return again, err // killed by us: that is no failure of its own
		case late:
			return d.failed(h, e, fmt.Errorf("not done within %v: %w", h.timeout, err))
		default:
			return d.failed(h, e, err)
		}
		it.told = true
	}
	if err := d.record(func(ctx context.Context) error { return d.outbox.HookDone(ctx, it.id) }); err != nil {
		return again, err
	}
	if e.Attempts > 0 {
		d.log(e).Info("a hook has at last been told", "attempts", e.Attempts+1)
	}
	return never, nil
}

// failed records a failure. It returns as attempt does.
func (d *dispatcher) failed(h *hook, e daemon.HookEvent, failure error) (again time.Time, err error) {
	attempts := e.Attempts + 1
	var refused refusal
	park := attempts >= h.attempts || errors.As(failure, &refused)
	if park {
		d.log(e).Error("a hook failed, and its event is parked", "attempts", attempts, "err", failure)
	} else {
		again = time.Now().Add(pause(attempts))
		level := slog.LevelDebug
		if attempts == 1 {
			level = slog.LevelWarn
		}
		d.log(e).Log(d.work, level, "a hook failed; trying again", "attempts", attempts, "err", failure)
	}
	err = d.record(func(ctx context.Context) error {
		return d.outbox.HookFailed(ctx, e.ID, bounded(failure.Error()), again, park)
	})
	if park {
		again = never
	}
	return again, err
}

func (d *dispatcher) log(e daemon.HookEvent) *slog.Logger {
	return d.Log.With("hook", e.Hook, "event", e.Event, "subject", e.Subject)
}

func (d *dispatcher) record(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.work), forRecord)
	defer cancel()
	return do(ctx)
}

// bounded is the beginning of a text, which may have come from anywhere.
func bounded(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxText {
		return text
	}
	n := maxText - len("…")
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
