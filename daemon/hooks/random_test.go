package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"pgregory.net/rapid"
)

// plan is what happens in a case of the property test.
type plan struct {
	Parallel, Window, Page int
	Slow                   time.Duration // what a call of the outbox takes
	Faults                 []int         // of the calls of the outbox, in turn: 1 before, 2 after, else none
	Steps                  []step
}

// step is an event that comes some time after the one before it.
type step struct {
	After         time.Duration
	Hook, Subject int
	Outcomes      []int // of the attempts: 1 failure, 2 refusal; in the end success
	Takes         time.Duration
	Stop          bool // then the runner is stopped, and another started
	Retry         bool // then what is parked is taken up
}

func somePlan(t *rapid.T) plan {
	duration := func(most time.Duration) *rapid.Generator[time.Duration] {
		return rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, int(most/time.Second)).Draw(t, "seconds")) * time.Second
		})
	}
	rare := rapid.Custom(func(t *rapid.T) bool { return rapid.IntRange(0, 9).Draw(t, "nine in ten do not") == 9 })
	return plan{
		Parallel: rapid.IntRange(1, 4).Draw(t, "parallel"),
		Window:   rapid.IntRange(1, 6).Draw(t, "window"),
		Page:     rapid.IntRange(1, 5).Draw(t, "page"),
		Slow:     time.Duration(rapid.IntRange(0, 300).Draw(t, "slow")) * time.Millisecond,
		Faults:   rapid.SliceOfN(rapid.IntRange(0, 20), 0, 60).Draw(t, "faults"),
		Steps: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				After:    duration(3*time.Second).Draw(t, "after"),
				Hook:     rapid.IntRange(0, 2).Draw(t, "hook"),
				Subject:  rapid.IntRange(0, 3).Draw(t, "subject"),
				Outcomes: rapid.SliceOfN(rapid.SampledFrom([]int{1, 1, 1, 2}), 0, 5).Draw(t, "outcomes"),
				Takes:    duration(5*time.Second).Draw(t, "takes"),
				Stop:     rare.Draw(t, "stop"),
				Retry:    rare.Draw(t, "retry"),
			}
		}), 1, 60).Draw(t, "steps"),
	}
}

// Whatever fails, each hook takes each event or the event is parked, and no
// event begins while an earlier one of its hook and subject is neither.
func TestTheOrderOfASubjectIsKept(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := somePlan(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = p.try(t) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

const hookAttempts = 4

func (p plan) try(t *testing.T) error {
	var mu sync.Mutex // guards what follows
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	b := newBox()
	b.slow = p.Slow
	calls, clean := 0, false
	b.fail = func(string) (before, after error) {
		calls++
		if !clean && calls <= len(p.Faults) {
			switch p.Faults[calls-1] {
			case 1:
				return errBox, nil
			case 2:
				return nil, errBox
			}
		}
		return nil, nil
	}
	attempts := make([]int, len(p.Steps))
	took := make([]bool, len(p.Steps))    // the hook is told
	revived := make([]bool, len(p.Steps)) // it was parked once: its order is nobody's concern
	running, mostRunning := 0, 0
	tell := func(ctx context.Context, e daemon.HookEvent) error {
		var n int
		fmt.Sscan(e.Event, &n)
		s := p.Steps[n]
		rows := b.all()
		mu.Lock()
		for i, other := range p.Steps[:n] {
			if other.Hook != s.Hook || other.Subject != s.Subject || took[i] || revived[i] || revived[n] {
				continue
			}
			if j := slices.IndexFunc(rows, func(e daemon.HookEvent) bool { return e.Event == fmt.Sprint(i) }); j < 0 || !rows[j].Parked {
				wrong("event %d begins, and %d is neither told nor parked", n, i)
			}
		}
		running++
		mostRunning = max(mostRunning, running)
		attempt := attempts[n]
		attempts[n]++
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			running--
		}()
		select {
		case <-time.After(s.Takes):
		case <-ctx.Done():
			return errors.New("killed")
		}
		if attempt < len(s.Outcomes) {
			if s.Outcomes[attempt] == 2 {
				return refuse("refused")
			}
			return errHook
		}
		mu.Lock()
		defer mu.Unlock()
		took[n] = true
		return nil
	}
	start := func() func() {
		r := newRunner(p.Parallel, map[string]tellFunc{"0": tell, "1": tell, "2": tell})
		r.window, r.page, r.Grace = p.Window, p.Page, 2*time.Second
		for _, h := range r.hooks {
			h.attempts = hookAttempts
		}
		return run(t, r, b)
	}
	retry := func() {
		mu.Lock()
		for _, e := range b.all() {
			var n int
			fmt.Sscan(e.Event, &n)
			revived[n] = revived[n] || e.Parked
		}
		mu.Unlock()
		b.retry()
	}
	stop := start()
	for n, s := range p.Steps {
		time.Sleep(s.After)
		b.put(fmt.Sprint(s.Hook), fmt.Sprint(n), fmt.Sprint(s.Subject))
		if s.Stop {
			stop()
			stop = start()
		}
		if s.Retry {
			retry()
		}
	}
	time.Sleep(24 * time.Hour)
	synctest.Wait()
	for _, e := range b.all() {
		if !e.Parked {
			wrong("after a day %+v still waits", e)
		}
	}
	clean = true
	for range 5 { // each time there are fewer outcomes left that fail
		retry()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
	}
	stop()
	for n := range p.Steps {
		if !took[n] {
			wrong("the hook was never told of event %d", n)
		}
	}
	if left := b.all(); len(left) > 0 {
		wrong("left are %+v", left)
	}
	if mostRunning > p.Parallel {
		wrong("%d hooks ran at the same time, want at most %d", mostRunning, p.Parallel)
	}
	return errors.Join(errs...)
}
