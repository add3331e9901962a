package hooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

var errHook = errors.New("exit status 1")

func TestAFailedHookIsToldAgainLaterAndLaterAndThenParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		defer run(t, newRunner(4, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error {
			told.add(e)
			return errHook
		}}), b)()
		b.put("h", "build-started", "one")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(told.list) != 10 {
			t.Fatalf("told %d times, want 10", len(told.list))
		}
		for i, next := range told.list[1:] {
			got, most := next.at.Sub(told.list[i].at), min(time.Second<<i, 10*time.Minute)
			if got > most || got < most/2 {
				t.Errorf("pause %d: got %v, want at most %v and at least half of that", i, got, most)
			}
		}
		e := b.all()[0]
		if !e.Parked || e.Attempts != 10 || e.Error != "exit status 1" || !e.NotBefore.IsZero() {
			t.Errorf("got %+v, want it parked after 10 attempts", e)
		}

		b.retry()
		synctest.Wait()
		if len(told.list) != 11 {
			t.Errorf("told %d times when it was taken up again, want 11", len(told.list))
		}
	})
}

func TestPausesAreBounded(t *testing.T) {
	for n := 1; n < 200; n++ {
		most := 10 * time.Minute
		if n <= 10 {
			most = time.Second << (n - 1)
		}
		if got := pause(n); got > most || got < most/2 {
			t.Errorf("pause %d: got %v, want at most %v and at least half of that", n, got, most)
		}
	}
}

func TestWhatWaitsHoldsBackAndWhatIsParkedDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		var mended atomic.Bool
		r := newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error {
			told.add(e)
			switch {
			case e.Subject == "bad":
				return refuse("never")
			case e.Subject == "slow" && !mended.Load():
				return errHook
			}
			return nil
		}})
		b.insert("h", "1", "slow")
		b.insert("h", "2", "slow")
		b.insert("h", "1", "bad")
		b.insert("h", "2", "bad")
		b.insert("h", "1", "good")
		stop := run(t, r, b)
		synctest.Wait()
		if got, want := told.String(), "h 1 slow, h 1 bad, h 2 bad, h 1 good"; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
		mended.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := told.String(); !strings.HasSuffix(got, "h 1 good, h 1 slow, h 2 slow") {
			t.Errorf("told of %s, want slow's events at the end", got)
		}
		stop()
		for _, e := range b.all() {
			if e.Subject != "bad" || !e.Parked || e.Error != "never" || e.Attempts != 1 {
				t.Errorf("got %+v, want only bad's events, parked", e)
			}
		}
	})
}

func TestHooksRunInParallelUpToTheLimit(t *testing.T) {
	for _, test := range []struct {
		hooks, busy, parallel int
		most, mostOfOne       int32
	}{
		{1, 1, 4, 4, 4},
		{1, 1, 1, 1, 1},
		{1, 1, 0, 1, 1}, // that many at least
		{2, 2, 1, 1, 1},
		{3, 3, 4, 4, 2},
		{3, 1, 4, 3, 3}, // one place is left to the others
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox()
			var now, most, ofOne, mostOfOne atomic.Int32
			hooks := make(map[string]tellFunc)
			for i := range test.hooks {
				hooks[fmt.Sprint(i)] = func(_ context.Context, e daemon.HookEvent) error {
					if e.Hook == "0" {
						mostOfOne.Store(max(mostOfOne.Load(), ofOne.Add(1)))
						defer ofOne.Add(-1)
					}
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					time.Sleep(time.Second)
					return nil
				}
			}
			for i := range test.busy {
				for j := range 20 {
					b.insert(fmt.Sprint(i), "build-started", fmt.Sprint(j))
				}
			}
			stop := run(t, newRunner(test.parallel, hooks), b)
			time.Sleep(time.Minute)
			stop()
			if most.Load() != test.most || mostOfOne.Load() != test.mostOfOne || len(b.all()) != 0 {
				t.Errorf("%d hooks, %d with events, limit %d: at most %d ran, %d of one, and %d events are left; want %d, %d and none", test.hooks, test.busy, test.parallel,
					most.Load(), mostOfOne.Load(), len(b.all()), test.most, test.mostOfOne)
			}
		})
	}
}

func TestAHookThatTakesTooLongHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		r := newRunner(1, map[string]tellFunc{"h": func(ctx context.Context, _ daemon.HookEvent) error {
			<-ctx.Done()
			return errors.New("signal: terminated: I was busy")
		}})
		r.hooks["h"].attempts = 1
		b.put("h", "build-started", "one")
		stop := run(t, r, b)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		stop()
		if e := b.all()[0]; !e.Parked || e.Error != "not done within 5m0s: signal: terminated: I was busy" {
			t.Errorf("got %+v, want it parked", e)
		}
	})
}

func TestStoppingLetsHooksFinishForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		r := newRunner(2, map[string]tellFunc{"h": func(ctx context.Context, e daemon.HookEvent) error {
			wait := 30 * time.Second
			if e.Subject == "slow" {
				wait = time.Hour
			}
			select {
			case <-time.After(wait):
				return nil
			case <-ctx.Done():
				return errors.New("signal: terminated")
			}
		}})
		for _, subject := range []string{"slow", "quick", "third"} {
			b.insert("h", "build-started", subject)
		}
		r.hooks["h"].timeout = 24 * time.Hour
		stop := run(t, r, b)
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("stopping took %v, want the grace time", took)
		}
		left := b.all()
		if len(left) != 2 || left[0].Subject != "slow" || left[0].Attempts != 0 || left[1].Subject != "third" {
			t.Errorf("left are %+v, want what was killed, without a failure, and what was not begun", left)
		}
	})
}

func TestAnEventOfAHookThatIsNotConfiguredIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		b.put("old", "build-started", "one")
		stop := run(t, newRunner(1, nil), b)
		synctest.Wait()
		stop()
		if e := b.all()[0]; !e.Parked || e.Error != "no hook of this name is configured" {
			t.Errorf("got %+v, want it parked", e)
		}
	})
}

func TestALongOutboxIsReadInPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		b, told := newBox(), new(tellings)
		for i := range n {
			b.insert("stuck", "1", fmt.Sprint(i))
		}
		b.insert("h", "1", "one")
		r := newRunner(8, map[string]tellFunc{
			"stuck": func(context.Context, daemon.HookEvent) error { return errHook },
			"h":     func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil },
		})
		r.window, r.page = 50, 100
		r.hooks["stuck"].attempts = 1000
		b.slow = 10 * time.Millisecond
		defer run(t, r, b)()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if told.String() != "h 1 one" {
			t.Fatalf("told of %q, want the one behind the many", told)
		}
		b.mu.Lock()
		if b.reads > n+n/10 {
			t.Errorf("read %d rows of %d, want each once", b.reads, n)
		}
		b.mu.Unlock()
		// What is new is at the end, and found without reading the rest.
		began := time.Now()
		b.put("h", "2", "one")
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := told.String(), "h 1 one, h 2 one"; got != want || told.list[1].at.Sub(began) > 100*time.Millisecond {
			t.Errorf("told of %s after %v, want %s at once", got, told.list[len(told.list)-1].at.Sub(began), want)
		}
		// What is taken up again may be anywhere, and takes longer.
		b.mu.Lock()
		b.insert("h", "3", "one")
		last := b.rows[len(b.rows)-1]
		last.ID = b.rows[n/2].ID
		b.rows[n/2], b.rows = last, b.rows[:len(b.rows)-1]
		b.wake()
		b.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := told.String(), "h 1 one, h 2 one, h 3 one"; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
	})
}

// An event that does not fit into memory is not overtaken by one that comes
// when there is room, before the whole outbox is read again.
func TestWhatDoesNotFitIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		r := newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }})
		r.window = 4
		b.slow = time.Second // so the outbox is read again after 11 seconds
		for _, subject := range []string{"a", "b", "c", "d", "e"} {
			b.insert("h", "1", subject)
		}
		defer run(t, r, b)()
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		if got := told.String(); !strings.HasPrefix(got, "h 1 a") || strings.HasSuffix(got, "d") {
			t.Fatalf("told of %s, want a, and not d yet", got)
		}
		b.put("h", "2", "e")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := told.String(), "h 1 a, h 1 b, h 1 c, h 1 d, h 1 e, h 2 e"; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
	})
}

func TestAnEventUnderTheNumberOfOneThatIsDoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		defer run(t, newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }}), b)()
		for i := range 5 {
			b.put("h", fmt.Sprint(i), "one") // each has the number 1
			synctest.Wait()
		}
		// While the runner still takes the number for the old event's.
		b.slow = time.Second
		b.put("h", "5", "one")
		time.Sleep(2500 * time.Millisecond) // read, read again, and in the middle of done
		b.put("h", "6", "one")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := told.String(), "h 0 one, h 1 one, h 2 one, h 3 one, h 4 one, h 5 one, h 6 one"; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
		if left := b.all(); len(left) != 0 {
			t.Errorf("left are %+v, want none", left)
		}
	})
}

// A record that seemed to fail was made, and the number is another event's: that
// one must not be taken for done.
func TestARecordIsNotRepeatedOnAnotherEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		b.fail = func(op string) (error, error) {
			if op != "done" {
				return nil, nil
			}
			b.fail = nil
			b.rows = nil
			b.insert("h", "2", "one")
			b.wake()
			return errBox, nil
		}
		defer run(t, newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }}), b)()
		b.put("h", "1", "one")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := told.String(), "h 1 one, h 2 one"; got != want || len(b.all()) > 0 {
			t.Errorf("told of %s, and left are %+v, want %s and none", got, b.all(), want)
		}
	})
}

func TestAnOutboxInTroubleIsNoFailureOfTheHook(t *testing.T) {
	for _, op := range []string{"events", "done", "done after all"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, told := newBox(), new(tellings)
				until := time.Now().Add(10 * time.Minute)
				b.fail = func(now string) (before, after error) {
					switch {
					case time.Now().After(until):
					case now == op:
						return errBox, nil
					case now+" after all" == op:
						return nil, errBox
					}
					return nil, nil
				}
				defer run(t, newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }}), b)()
				b.put("h", "1", "one")
				time.Sleep(11 * time.Minute)
				synctest.Wait()
				if got := told.String(); got != "h 1 one" {
					t.Errorf("told of %q, want it once", got)
				}
				if left := b.all(); len(left) != 0 {
					t.Errorf("left are %+v, want none", left)
				}
			})
		})
	}
}

func TestAnAttemptThatWasNotRecordedIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		hooks := map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }}
		b.fail = func(op string) (error, error) { // as a crash would
			if op == "done" {
				return errBox, nil
			}
			return nil, nil
		}
		stop := run(t, newRunner(1, hooks), b)
		b.put("h", "1", "one")
		synctest.Wait()
		stop()
		b.fail = nil
		stop = run(t, newRunner(1, hooks), b)
		synctest.Wait()
		stop()
		if got, want := told.String(), "h 1 one, h 1 one"; got != want || len(b.all()) != 0 {
			t.Errorf("told of %q, and %d are left, want %q and none", got, len(b.all()), want)
		}
	})
}

func TestATimeFarInTheFutureIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := newBox(), new(tellings)
		b.insert("h", "1", "one")
		b.rows[0].NotBefore = time.Now().AddDate(50, 0, 0)
		defer run(t, newRunner(1, map[string]tellFunc{"h": func(_ context.Context, e daemon.HookEvent) error { told.add(e); return nil }}), b)()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if told.String() != "h 1 one" {
			t.Error("it still waits after 10 minutes")
		}
	})
}

func TestWantedNamesTheHooksOfAnEvent(t *testing.T) {
	r := newRunnerOf(Hook{Name: "a", Events: []string{"x", "y"}, Command: []string{"/a"}}, Hook{Name: "b", Events: []string{"y"}, Command: []string{"/b"}})
	for event, want := range map[string]string{"x": "[a]", "y": "[a b]", "z": "[]"} {
		if got := fmt.Sprint(r.Wanted(event)); got != want {
			t.Errorf("%s: got %s, want %s", event, got, want)
		}
	}
}
