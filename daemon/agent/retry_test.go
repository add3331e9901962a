package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// quiet is an agent that can do nothing but insist.
func quiet() *Agent { return &Agent{Config: Config{Log: slog.New(slog.DiscardHandler)}} }

// attempts returns a request that is answered with each of the errors in
// turn, and then a function that tells how long each came after the one before.
func attempts(errs ...error) (do func(context.Context) error, pauses func() []time.Duration) {
	var times []time.Time
	do = func(context.Context) error {
		times = append(times, time.Now())
		if n := len(times); n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}
	return do, func() (list []time.Duration) {
		for i := range times[1:] {
			list = append(list, times[i+1].Sub(times[i]))
		}
		return list
	}
}

func TestInsistPausesLongerAndLonger(t *testing.T) {
	lost := errors.New("connection lost")
	errs := make([]error, 12)
	for i := range errs {
		errs[i] = lost
		if i%3 == 1 {
			errs[i] = &wire.StatusError{Status: 503}
		}
	}
	jittered := false
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			do, pauses := attempts(errs...)
			if err := quiet().insist(t.Context(), "try", do); err != nil {
				t.Fatalf("got %v, want success at last", err)
			}
			got := pauses()
			if len(got) != len(errs) {
				t.Fatalf("got %d pauses, want %d", len(got), len(errs))
			}
			for i, pause := range got {
				most := min(200*time.Millisecond<<i, 30*time.Second)
				if pause > most || pause <= most/2 {
					t.Errorf("pause %d: got %v, want more than %v and at most %v", i, pause, most/2, most)
				}
				jittered = jittered || pause != most
			}
		})
	}
	if !jittered {
		t.Error("the pauses are always the same: agents would come all at once")
	}
}

func TestInsistWaitsAsLongAsItIsTold(t *testing.T) {
	for _, test := range []struct {
		said, least, most time.Duration
	}{
		{0, 100 * time.Millisecond, 200 * time.Millisecond},
		{7 * time.Second, 7 * time.Second, 7 * time.Second},
		{24 * time.Hour, 10 * time.Minute, 10 * time.Minute}, // there is a limit to obedience
	} {
		synctest.Test(t, func(t *testing.T) {
			do, pauses := attempts(&wire.StatusError{Status: 429, RetryAfter: test.said})
			if err := quiet().insist(t.Context(), "try", do); err != nil {
				t.Fatal(err)
			}
			if got := pauses(); len(got) != 1 || got[0] < test.least || got[0] > test.most {
				t.Errorf("told %v: got pauses %v, want one from %v to %v", test.said, got, test.least, test.most)
			}
		})
	}
}

func TestInsistTakesARefusalForAnAnswer(t *testing.T) {
	for status, again := range map[int]bool{400: false, 401: false, 403: false, 404: false, 409: false, 413: false, 302: false,
		408: true, 429: true, 500: true, 502: true, 503: true} {
		synctest.Test(t, func(t *testing.T) {
			answer := &wire.StatusError{Status: status, Code: "because"}
			do, pauses := attempts(fmt.Errorf("wrapped: %w", answer))
			err := quiet().insist(t.Context(), "try", do)
			if again != (err == nil) || again != (len(pauses()) == 1) {
				t.Errorf("status %d: got %v after %d repetitions, want it repeated: %v", status, err, len(pauses()), again)
			}
			if !again && !errors.Is(err, answer) {
				t.Errorf("status %d: got %v, want the answer", status, err)
			}
		})
	}
}

func TestInsistEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("enough")
		do, pauses := attempts()
		failing := func(ctx context.Context) error { return errors.Join(do(ctx), errors.New("lost")) }
		began := time.Now()
		time.AfterFunc(time.Minute, func() { cancel(reason) })
		if err := quiet().insist(ctx, "try", failing); err != reason {
			t.Errorf("got %v, want the context's cause", err)
		}
		if took := time.Since(began); took != time.Minute || len(pauses()) < 5 {
			t.Errorf("it ended after %v and %d repetitions, want after a minute and many", took, len(pauses()))
		}
	})
}
