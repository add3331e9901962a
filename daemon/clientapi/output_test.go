package clientapi_test

import (
	"fmt"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// A source may be made by several derivations, all of which count.
func TestWhoCouldMakeAnOutput(t *testing.T) {
	f := open(t)
	source := derivation.Output{Name: "out", HashAlgo: "sha256", Hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
	drvs := []storepath.Path{
		f.Make("source-1", derivation.Derivation{Outputs: []derivation.Output{source}}),
		f.Make("source-1", derivation.Derivation{Outputs: []derivation.Output{source}, Env: []derivation.EnvVar{{Name: "mirror", Value: "2"}}}),
	}
	for n, drv := range append(drvs, f.Derivation("other")) {
		f.Submitted(daemon.Submission{Derivation: drv, UUID: coordinatortest.UUID(n)})
	}
	output := f.Output(drvs[0], "out")
	want, err := clientapi.NewClient(f.url).Output(t.Context(), output)
	f.Must(err)
	var uuids []string
	for _, b := range want.Builds {
		uuids = append(uuids, b.UUID)
	}
	if diff := cmp.Diff([]string{coordinatortest.UUID(0), coordinatortest.UUID(1)}, uuids); diff != "" {
		t.Errorf("builds (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]storepath.Path{drvs[1], drvs[0]}, want.Derivations); diff != "" {
		t.Errorf("derivations (-want +got)\n%s", diff)
	}
	for _, path := range []string{"/output" + string(output), "/output?output=" + string(output)} {
		if got := f.accept("GET", path, ""); got["output"] != string(output) || len(got["builds"].([]any)) != 2 {
			t.Errorf("%s: got %v, want two builds of it", path, got)
		}
	}
}

func TestSetupFailuresAreListedNewestFirst(t *testing.T) {
	f := history(t)
	agent, c := "e092df28-3418-4f94-b7f0-a214b03291ee", clientapi.NewClient(f.url)
	list := func(limit int) (list []wire.ListedSetupFailure) {
		t.Helper()
		f.Must(c.SetupFailures(t.Context(), limit, func(failure wire.ListedSetupFailure) error {
			list = append(list, failure)
			return nil
		}))
		return list
	}
	first := list(0)
	if len(first) != 1 || first[0].Build != coordinatortest.UUID(4) || first[0].Reason != daemon.MissingInputs || len(first[0].MissingInputs) != 1 {
		t.Fatalf("got %+v, want that of the build 4", first)
	}
	missing := make([]storepath.Path, 25)
	for i := range missing {
		missing[i] = f.Output(f.Derivation(fmt.Sprint("missing-", i)), "out")
	}
	f.Must(f.ReportSetupFailure(t.Context(), agent, coordinatortest.UUID(3), daemon.SetupFailure{Reason: daemon.CouldNotFetch, MissingInputs: missing}))
	both := list(0)
	if len(both) != 2 || both[0].Build != coordinatortest.UUID(3) || both[0].Missing != 25 || len(both[0].MissingInputs) != 20 {
		t.Fatalf("got %+v, want two, the later one first with 20 of its 25 inputs", both)
	}
	if diff := cmp.Diff(both[:1], list(1)); diff != "" {
		t.Errorf("one of them (-want +got)\n%s", diff)
	}
	older := f.accept("GET", fmt.Sprint("/setup-failures?limit=1000&before=", both[0].ID), "")["setup-failures"].([]any)
	if len(older) != 1 || older[0].(map[string]any)["build-id"] != coordinatortest.UUID(4) || older[0].(map[string]any)["missing-inputs-count"] != 1.0 {
		t.Errorf("before the last: got %v, want the first", older)
	}
}
