package coordinator_test

import (
	"fmt"
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

func TestWhatIsSubmittedTogetherHasInputsFirst(t *testing.T) {
	f := coordinatortest.Open(t)
	var chain []storepath.Path
	for i := range 300 { // more than go into one change
		var inputs []storepath.Path
		if i > 0 {
			inputs = chain[i-1 : i]
		}
		chain = append(chain, f.Derivation(fmt.Sprint("chain-", i), inputs...))
	}
	missing := f.Derivation("missing-1")
	f.Offer(missing, nil)
	there := f.Added(chain[7])
	backwards := slices.Clone(chain)
	slices.Reverse(backwards)
	done, err := f.SubmitTogether(t.Context(), daemon.Submission{Priority: -1, SkipIfOutputsHaveBuild: true}, append(backwards, missing))
	f.Must(err)
	if done[chain[7]].Reason != daemon.OutputHasBuild || daemon.CodeOf(done[missing].Err) != daemon.NotFound || len(done) != 301 {
		t.Errorf("got %+v, %+v and %d in all", done[chain[7]], done[missing], len(done))
	}
	builds, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	if len(builds) != 300 || builds[0].UUID != there {
		t.Fatalf("got %d builds", len(builds))
	}
	place := make(map[storepath.Path]int)
	for i, b := range builds[1:] {
		place[b.Derivation] = i
		if b.Priority != -1 {
			t.Errorf("got the priority %d", b.Priority)
		}
	}
	for i := 9; i < len(chain); i++ {
		if place[chain[i]] < place[chain[i-1]] {
			t.Errorf("got %s before its input", chain[i])
		}
	}
	bed, _ := f.Joined("bedok")
	if given := f.Given(bed, 100); len(given) != 1 {
		t.Errorf("got %d builds at once, want the first of the chain", len(given))
	}
}

func TestWhatIsSubmittedTogetherCanHaveInputsBuilt(t *testing.T) {
	f := coordinatortest.Open(t)
	lib := f.Derivation("lib-1")
	one, two := f.Derivation("one-1", lib), f.Derivation("two-1", lib)
	done, err := f.SubmitTogether(t.Context(), daemon.Submission{WithInputs: true, SkipIfOutputsHaveBuild: true}, []storepath.Path{two, one})
	f.Must(err)
	if n := done[one].Inputs + done[two].Inputs; n != 1 {
		t.Errorf("got %d builds of inputs, want one", n)
	}
}
