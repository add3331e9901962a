//go:debug default=go1.25
package coordinator_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
)

// inTime runs a test in which time passes as fast as everybody waits, on a farm
// that goes by it.
func inTime(t *testing.T, change func(*coordinator.Config), test func(*testing.T, *coordinatortest.Farm)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, coordinatortest.OpenWith(t, func(c *coordinator.Config) {
			c.Now = time.Now
			if change != nil {
				change(c)
			}
		}))
	})
}

// waitFor has an agent poll until it is given a build, and returns how long that
// took.
func waitFor(t *testing.T, f *coordinatortest.Farm, agent string) (uuid string, took time.Duration) {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < 24*time.Hour {
		got, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1, Wait: time.Minute})
		f.Must(err)
		if len(got) > 0 {
			return got[0].UUID, time.Since(begin)
		}
	}
	t.Fatal("there was no build for a day")
	return "", 0
}

// between fails the test if something took less or more than it should.
func between(t *testing.T, what string, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most {
		t.Errorf("%s: it took %v, want %v to %v", what, took, least, most)
	}
}

// chores are looked after so often.
const tick = 5 * time.Second

func TestADeferredBuildIsHandedOutInTime(t *testing.T) {
	inTime(t, nil, func(t *testing.T, f *coordinatortest.Farm) {
		agent, _ := f.Joined("bedok")
		until := time.Now().Add(90 * time.Minute).Truncate(time.Second)
		f.Submitted(daemon.Submission{Derivation: f.Derivation("hello"), NotBefore: until})
		want := time.Until(until)
		_, took := waitFor(t, f, agent)
		between(t, "deferred", took, want, want+time.Millisecond)
	})
}

func TestASetupFailureIsTriedAgainInTime(t *testing.T) {
	inTime(t, nil, func(t *testing.T, f *coordinatortest.Farm) {
		agent, _ := f.Joined("bedok")
		uuid := f.Added(f.Derivation("hello"))
		waitFor(t, f, agent)
		for pause := coordinatortest.SetupRetry; pause <= 4*coordinatortest.SetupRetry; pause *= 2 {
			f.Must(f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: daemon.CouldNotFetch}))
			_, took := waitFor(t, f, agent)
			between(t, "again", took, pause, pause+time.Millisecond)
		}
	})
}

func TestALeaseEndsInTime(t *testing.T) {
	const lease = 10 * time.Minute
	inTime(t, func(c *coordinator.Config) { c.Lease = lease }, func(t *testing.T, f *coordinatortest.Farm) {
		silent, password := f.Joined("silent")
		other, _ := f.Joined("other")
		uuid := f.Added(f.Derivation("hello"))
		f.Given(silent, 1)
		time.Sleep(lease / 2)
		f.Must(f.Authenticate(t.Context(), silent, password)) // it is still there
		got, took := waitFor(t, f, other)
		between(t, "lost", took, lease, lease+tick)
		if got != uuid {
			t.Errorf("got %s, want %s", got, uuid)
		}
	})
}

// An agent that polls is not silent.
func TestAPollKeepsTheLease(t *testing.T) {
	inTime(t, func(c *coordinator.Config) { c.Lease = 30 * time.Second }, func(t *testing.T, f *coordinatortest.Farm) {
		agent, _ := f.Joined("bedok")
		uuid := f.Added(f.Derivation("hello"))
		f.Given(agent, 1)
		begin := time.Now()
		_, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1, Wait: time.Hour})
		f.Must(err)
		between(t, "the longest poll", time.Since(begin), 2*time.Minute, 2*time.Minute)
		if state := f.State(uuid); state != daemon.Allocated {
			t.Errorf("got %s, want allocated", state)
		}
	})
}

func TestOldBuildsAreForgottenInTime(t *testing.T) {
	inTime(t, func(c *coordinator.Config) { c.KeepFor = time.Hour }, func(t *testing.T, f *coordinatortest.Farm) {
		agent, _ := f.Joined("bedok")
		uuid := f.Added(f.Derivation("hello"))
		f.Given(agent, 1)
		f.Must(f.ReportResult(t.Context(), agent, uuid, daemon.Result{Success: true}))
		time.Sleep(time.Hour - tick)
		if state := f.State(uuid); state != daemon.Succeeded {
			t.Errorf("before its time: got %s, want succeeded", state)
		}
		time.Sleep(3 * tick)
		synctest.Wait()
		if _, err := f.Coordinator.Build(t.Context(), uuid); daemon.CodeOf(err) != daemon.NotFound {
			t.Errorf("after its time: got %v, want that it is not there", err)
		}
	})
}

func TestBuildsAreHandedOutAgainInTime(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	room := func() error {
		if full.Load() {
			return errors.New("the disk is full")
		}
		return nil
	}
	inTime(t, func(c *coordinator.Config) { c.Room = room }, func(t *testing.T, f *coordinatortest.Farm) {
		agent, _ := f.Joined("bedok")
		synctest.Wait() // the first look at the disk
		f.Added(f.Derivation("hello"))
		const trouble = 10*time.Minute + time.Second
		time.AfterFunc(trouble, func() { full.Store(false) })
		_, took := waitFor(t, f, agent)
		between(t, "handed out", took, trouble, trouble+tick)
	})
}
