package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// refused submits a derivation and expects an error and no change.
func refused(t *testing.T, f *coordinatortest.Farm, drv storepath.Path, code daemon.Code, text string) {
	t.Helper()
	before := f.Dump()
	_, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv})
	if got := daemon.CodeOf(err); got != code || !strings.Contains(fmt.Sprint(err), text) {
		t.Fatalf("got the error %v (%s), want %q (%s)", err, got, text, code)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the database changed (-before +after)\n%s", diff)
	}
}

func TestAnotherDerivationInTheWantedOnesPlaceIsRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	wanted, other := f.Derivation("wanted"), f.Derivation("other")
	f.Offer(wanted, f.Text(other))
	refused(t, f, wanted, daemon.Invalid, "what was fetched as "+string(wanted)+" is another derivation")

	above := f.Derivation("above", wanted)
	refused(t, f, above, daemon.Invalid, "what was fetched as "+string(wanted)+" is another derivation")

	// The name does not stand in the text, but it belongs to the path.
	renamed, err := storepath.Parse(strings.Replace(string(other), "-other", "-renamed", 1))
	f.Must(err)
	f.Offer(renamed, f.Text(other))
	refused(t, f, renamed, daemon.Invalid, "is another derivation")
}

func TestATextThatIsNoDerivationIsRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	drv := f.Derivation("hello")
	f.Offer(drv, []byte("<html>not found</html>"))
	refused(t, f, drv, daemon.Invalid, string(drv)+" is not a sound derivation")
}

// Derivations that need one another cannot have the names that follow from
// their texts, so one of them is always found out.
func TestDerivationsInACircleAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	a := f.Derivation("a")
	b := f.Derivation("b", a)
	f.Offer(a, (&derivation.Derivation{
		Outputs: []derivation.Output{{Name: "out", Path: f.Output(a, "out")}},
		Inputs:  f.First(b), System: coordinatortest.System, Builder: "/bin/sh",
	}).Bytes())
	refused(t, f, b, daemon.Invalid, "what was fetched as "+string(a)+" is another derivation")
}

func TestAnInputMustHaveTheOutputThatIsNeeded(t *testing.T) {
	f := coordinatortest.Open(t)
	input := f.Derivation("input")
	drv := f.Make("drv", derivation.Derivation{Inputs: []derivation.Input{{Path: input, Outputs: []string{"doc"}}}})
	refused(t, f, drv, daemon.Invalid, `needs the output "doc" of `+string(input))
}

func TestAnErrorOfFetchingIsPassedOnWhole(t *testing.T) {
	f := coordinatortest.Open(t)
	drv := f.Derivation("hello")
	broken := errors.New("the network is down")
	f.Coordinator.Fetch = func(context.Context, []string, storepath.Path) ([]byte, error) { return nil, broken }
	_, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv})
	if !errors.Is(err, broken) {
		t.Fatalf("got the error %v, want %v", err, broken)
	}
}

// After the first failure the other derivations of a level are not tried any
// more: each could take as long as a server's time limit.
func TestTheFirstFailureEndsTheFetching(t *testing.T) {
	f := coordinatortest.Open(t)
	inputs := make([]storepath.Path, 200)
	for i := range inputs {
		inputs[i] = f.Derivation(fmt.Sprint("input", i))
	}
	drv := f.Derivation("drv", inputs...)
	var mu sync.Mutex
	asked := 0
	f.Coordinator.Fetch = func(ctx context.Context, urls []string, path storepath.Path) ([]byte, error) {
		if path == drv {
			return f.Text(path), nil
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		if asked == 1 {
			return nil, daemon.Errorf(daemon.NotFound, "nobody has it")
		}
		<-t.Context().Done() // until the end of the test
		return nil, errors.New("the server is still down")
	}
	_, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv})
	if daemon.CodeOf(err) != daemon.NotFound {
		t.Fatalf("got the error %v, want that nobody has it", err)
	}
}

func TestThoseWhoWantTheSameShareAFetch(t *testing.T) {
	f := coordinatortest.Open(t)
	drv := f.Derivation("hello")
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
		entered <- struct{}{}
		<-leave
		return f.Text(path), nil
	}
	// The first gives up, and the others have what it asked for.
	impatient, giveUp := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := f.Submit(impatient, daemon.Submission{Derivation: drv}); !errors.Is(err, context.Canceled) {
			t.Errorf("one who gave up: got %v, want %v", err, context.Canceled)
		}
	})
	<-entered
	var others sync.WaitGroup
	for range 5 {
		others.Go(func() {
			if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv}); err != nil {
				t.Errorf("one who waits: got %v, want none", err)
			}
		})
	}
	giveUp()
	group.Wait()
	close(leave)
	others.Wait()
	all, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	if len(all) != 5 {
		t.Errorf("got %d builds, want those of the 5 who waited", len(all))
	}
}

// What is in the store is not fetched, and an older submission that waits for a
// server does not hold a younger one up.
func TestWhatIsInTheStoreWaitsForNoServer(t *testing.T) {
	f := coordinatortest.Open(t)
	here := f.Derivation("here", f.Derivation("below"))
	far := f.Derivation("far", here)
	above := f.Derivation("above", far)
	f.Coordinator.Read = func(path storepath.Path, buf []byte) ([]byte, error) {
		if path == far {
			return nil, &fs.PathError{Op: "open", Path: string(path), Err: fs.ErrNotExist}
		}
		return append(buf, f.Text(path)...), nil
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
		if path != far {
			t.Errorf("%s is fetched, and the store has it", path)
		}
		close(entered)
		<-leave
		return f.Text(path), nil
	}
	var older sync.WaitGroup
	older.Go(func() {
		if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: above}); err != nil {
			t.Errorf("the older one: got %v, want none", err)
		}
	})
	<-entered
	if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: f.Derivation("younger", here)}); err != nil {
		t.Errorf("the younger one: got %v, want none", err)
	}
	close(leave)
	older.Wait()
}

func TestCloseEndsTheFetchesUnderWay(t *testing.T) {
	f := coordinatortest.At(t, t.TempDir()+"/tbfg.db")
	drv := f.Derivation("hello")
	entered := make(chan struct{})
	f.Coordinator.Fetch = func(ctx context.Context, _ []string, _ storepath.Path) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	failed := make(chan error)
	go func() {
		_, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv})
		failed <- err
	}()
	<-entered
	f.Close()
	if err := <-failed; err == nil {
		t.Fatalf("got no error, want one")
	}
}

func TestADeepAndWideGraphIsStored(t *testing.T) {
	f := coordinatortest.Open(t)
	var below []storepath.Path
	for i := range 300 {
		below = append(below, f.Derivation(fmt.Sprint("p", i), below[max(0, len(below)-3):]...))
	}
	done, err := f.Submit(t.Context(), daemon.Submission{Derivation: below[len(below)-1], WithInputs: true})
	f.Must(err)
	if done.Inputs != len(below)-1 {
		t.Fatalf("got %d builds of inputs, want %d", done.Inputs, len(below)-1)
	}
}

func TestSubmittedSideBySideEachDerivationIsReadOnce(t *testing.T) {
	f := coordinatortest.Open(t)
	var all []storepath.Path
	for i := range 100 {
		all = append(all, f.Derivation(fmt.Sprint("p", i), all[max(0, len(all)-3):]...))
	}
	var mu sync.Mutex
	read := make(map[storepath.Path]int)
	f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		read[path]++
		return f.Text(path), nil
	}
	var group sync.WaitGroup
	for _, drv := range all[50:] {
		group.Go(func() {
			if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, drv := range all {
		if read[drv] != 1 {
			t.Errorf("%s was read %d times, want once", drv, read[drv])
		}
	}
}

// The first reads what both need, and fails before it has read what is below
// that.
func TestAFailureIsOnlyForThoseThatNeedWhatFailed(t *testing.T) {
	f := coordinatortest.Open(t)
	common := f.Derivation("common", f.Derivation("leaf"))
	missing := f.Derivation("missing")
	first, second := f.Derivation("first", common, missing), f.Derivation("second", common)
	reading, fail, failed := make(chan struct{}, 10), make(chan struct{}), make(chan struct{})
	f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
		switch path {
		case common:
			reading <- struct{}{}
			<-failed
		case missing:
			<-fail
			return nil, daemon.Errorf(daemon.NotFound, "nobody has it")
		}
		return f.Text(path), nil
	}
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: first}); daemon.CodeOf(err) != daemon.NotFound {
			t.Errorf("the first: got %v, want that nobody has it", err)
		}
		close(failed)
	})
	<-reading
	group.Go(func() {
		if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: second}); err != nil {
			t.Errorf("the second: got %v, want none", err)
		}
	})
	close(fail)
	group.Wait()
}
