package coordinator_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// many makes derivations without inputs: enough to be stored before the graph
// that they belong to has been read.
func many(f *coordinatortest.Farm) (drvs []storepath.Path) {
	for i := range 1000 {
		drvs = append(drvs, f.Derivation(fmt.Sprint("p", i)))
	}
	return drvs
}

// storedOf counts those of some derivations that a database knows.
func storedOf(t *testing.T, f *coordinatortest.Farm, drvs []storepath.Path) int {
	t.Helper()
	unknown, err := f.Store.Unknown(t.Context(), drvs)
	f.Must(err)
	return len(drvs) - len(unknown)
}

func countBuilds(t *testing.T, f *coordinatortest.Farm) int {
	t.Helper()
	all, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	return len(all)
}

// A machine that crashes while a graph is read leaves derivations without
// builds; so does a submission that fails. The next one goes on from there.
func TestPartsOfAGraphAreStoredWhileTheRestIsRead(t *testing.T) {
	f := coordinatortest.Open(t)
	inputs := many(f)
	late := f.Derivation("late")
	drv := f.Derivation("drv", append([]storepath.Path{late}, inputs...)...)
	answer := make(chan error)
	f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
		if path == late {
			return nil, <-answer
		}
		return f.Text(path), nil
	}
	failed := make(chan error, 1)
	go func() {
		_, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv, WithInputs: true})
		failed <- err
	}()
	for begin := time.Now(); storedOf(t, f, inputs) == 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("nothing is stored before all is read")
		}
	}
	twin := f.Twin()
	defer twin.Close()
	answer <- daemon.Errorf(daemon.NotFound, "nobody has it")
	if err := <-failed; daemon.CodeOf(err) != daemon.NotFound {
		t.Fatalf("got %v, want that nobody has it", err)
	}
	for name, f := range map[string]*coordinatortest.Farm{"crashed": twin, "failed": f} {
		known := storedOf(t, f, inputs)
		if known == 0 || storedOf(t, f, []storepath.Path{late, drv}) != 0 || countBuilds(t, f) != 0 {
			t.Fatalf("%s: got %d derivations and %d builds, want only whole derivations", name, known, countBuilds(t, f))
		}
		var read atomic.Int64
		f.Coordinator.Fetch = func(_ context.Context, _ []string, path storepath.Path) ([]byte, error) {
			read.Add(1)
			return f.Text(path), nil
		}
		done, err := f.Submit(t.Context(), daemon.Submission{Derivation: drv, WithInputs: true})
		f.Must(err)
		if done.Inputs != len(inputs)+1 || int(read.Load()) != len(inputs)-known+2 {
			t.Errorf("%s: got %d builds of inputs and read %d derivations, want %d and %d",
				name, done.Inputs, read.Load(), len(inputs)+1, len(inputs)-known+2)
		}
	}
}

// One that contradicts what it needs is not stored, and keeps no other from it.
func TestAContradictionKeepsNoOthersFromBeingStored(t *testing.T) {
	f := coordinatortest.Open(t)
	inputs := many(f)
	good := f.Derivation("good", inputs...)
	bad := f.Make("bad", derivation.Derivation{Inputs: []derivation.Input{{Path: inputs[0], Outputs: []string{"doc"}}}})
	worse := f.Derivation("worse", append([]storepath.Path{bad}, inputs...)...)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: good}); err != nil {
				t.Errorf("the good one: got %v, want no error", err)
			}
		})
		group.Go(func() {
			if _, err := f.Submit(t.Context(), daemon.Submission{Derivation: worse}); daemon.CodeOf(err) != daemon.Invalid {
				t.Errorf("what needs the bad one: got %v, want that it is invalid", err)
			}
		})
	}
	group.Wait()
	if n := storedOf(t, f, append(inputs, good, bad, worse)); n != len(inputs)+1 || countBuilds(t, f) != 3 {
		t.Errorf("got %d derivations and %d builds, want %d and 3", n, countBuilds(t, f), len(inputs)+1)
	}
}
