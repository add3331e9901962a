package coordinator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

func TestSubmitStoresTheGraphAndABuild(t *testing.T) {
	f := coordinatortest.Open(t)
	glibc := f.Derivation("glibc-2.41")
	gcc := f.Derivation("gcc-14", glibc)
	hello := f.Derivation("hello-2.12", gcc, glibc)

	done, err := f.Submit(t.Context(), daemon.Submission{
		Derivation: hello, UUID: coordinatortest.UUID(1), Priority: 7,
		Tags: []daemon.Tag{{Key: "category", Value: "science"}},
	})
	f.Must(err)
	if diff := cmp.Diff(daemon.Submitted{UUID: coordinatortest.UUID(1)}, done); diff != "" {
		t.Fatalf("submitted (-want +got)\n%s", diff)
	}

	f.Restart() // what was acknowledged is on the disk
	got, err := f.Coordinator.Build(t.Context(), done.UUID)
	f.Must(err)
	want := daemon.BuildDetail{
		Build: daemon.Build{UUID: done.UUID, Derivation: hello, System: coordinatortest.System, State: daemon.Ready,
			Priority: 7, Derived: 7, Created: f.Clock.Now(), Tags: []daemon.Tag{{Key: "category", Value: "science"}}},
		Outputs: []daemon.Output{{Name: "out", Path: f.Output(hello, "out")}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the build (-want +got)\n%s", diff)
	}
	for _, drv := range []storepath.Path{glibc, gcc, hello} {
		if id, err := f.Store.DerivationID(t.Context(), drv); id == 0 || err != nil {
			t.Errorf("%s: got row %d, %v; want it stored", drv, id, err)
		}
	}
}

func TestWhatIsStoredIsNotFetchedAgain(t *testing.T) {
	f := coordinatortest.Open(t)
	input := f.Derivation("input")
	first := f.Derivation("first", input)
	second := f.Derivation("second", first, input)
	f.Submitted(daemon.Submission{Derivation: first, SubstituteURLs: []string{"https://one"}})
	if diff := cmp.Diff([]string{"first.drv https://one", "input.drv https://one"}, f.Fetched()); diff != "" {
		t.Fatalf("fetched (-want +got)\n%s", diff)
	}
	f.Submitted(daemon.Submission{Derivation: second, SubstituteURLs: []string{"https://two"}})
	if diff := cmp.Diff([]string{"second.drv https://two"}, f.Fetched()); diff != "" {
		t.Fatalf("fetched (-want +got)\n%s", diff)
	}
}

func TestSubmissionsWithoutURLsUseTheConfiguredOnes(t *testing.T) {
	f := coordinatortest.Open(t)
	f.Configure(coordinator.Settings{SubstituteURLs: []string{"https://data.guix.gnu.org"}})
	f.Added(f.Derivation("hello"))
	if diff := cmp.Diff([]string{"hello.drv https://data.guix.gnu.org"}, f.Fetched()); diff != "" {
		t.Fatalf("fetched (-want +got)\n%s", diff)
	}
}

func TestSubmissionsThatAreRefused(t *testing.T) {
	f := coordinatortest.Open(t)
	drv := f.Derivation("hello")
	taken := f.Submitted(daemon.Submission{Derivation: drv, UUID: coordinatortest.UUID(1)})
	missing := f.Derivation("missing")
	f.Offer(missing, nil)
	needsMissing := f.Derivation("needs-missing", missing)
	tags := func(n int) (tags []daemon.Tag) {
		for i := range n {
			tags = append(tags, daemon.Tag{Key: fmt.Sprint(i)})
		}
		return tags
	}
	for _, tt := range []struct {
		name string
		s    daemon.Submission
		code daemon.Code
		text string // in the error
	}{
		{"not a derivation", daemon.Submission{Derivation: f.Output(drv, "out")}, daemon.Invalid, "does not end in .drv"},
		{"a derivation that nobody has", daemon.Submission{Derivation: missing}, daemon.NotFound, string(missing)},
		{"an input that nobody has", daemon.Submission{Derivation: needsMissing}, daemon.NotFound, string(missing)},
		{"a UUID that is none", daemon.Submission{Derivation: drv, UUID: "hello"}, daemon.Invalid, "not a UUID"},
		{"a UUID in capitals", daemon.Submission{Derivation: drv, UUID: strings.ToUpper(taken)}, daemon.Invalid, "not a UUID"},
		{"a UUID in braces", daemon.Submission{Derivation: drv, UUID: "{" + taken + "}"}, daemon.Invalid, "not a UUID"},
		{"a UUID that another build has", daemon.Submission{Derivation: drv, UUID: taken}, daemon.Conflict, taken},
		{"a URL of another kind", daemon.Submission{Derivation: drv, SubstituteURLs: []string{"file:///etc"}}, daemon.Invalid, "file:///etc"},
		{"many URLs", daemon.Submission{Derivation: drv, SubstituteURLs: make([]string, 21)}, daemon.Invalid, "more than 20"},
		{"many tags", daemon.Submission{Derivation: drv, Tags: tags(101)}, daemon.Invalid, "more than 100 tags"},
		{"a tag without a key", daemon.Submission{Derivation: drv, Tags: []daemon.Tag{{Value: "x"}}}, daemon.Invalid, "a tag's key"},
		{"a huge tag", daemon.Submission{Derivation: drv, Tags: []daemon.Tag{{Key: "k", Value: strings.Repeat("x", 501)}}}, daemon.Invalid, "a tag's key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := f.Dump()
			done, err := f.Submit(t.Context(), tt.s)
			if code := daemon.CodeOf(err); code != tt.code || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Fatalf("got the error %v (%s), want %q (%s)", err, code, tt.text, tt.code)
			}
			if diff := cmp.Diff(daemon.Submitted{}, done); diff != "" {
				t.Errorf("submitted (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(before, f.Dump()); diff != "" {
				t.Errorf("the database changed (-before +after)\n%s", diff)
			}
		})
	}
}

func TestSubmissionsCanBeSkippedWhereThereIsABuild(t *testing.T) {
	f := coordinatortest.Open(t)
	fixed := []derivation.Output{{Name: "out", HashAlgo: "sha256", Hash: strings.Repeat("ab", 32)}}
	// Two ways to get the same source.
	drv := f.Make("source", derivation.Derivation{Outputs: fixed, Args: []string{"from here"}})
	same := f.Make("source", derivation.Derivation{Outputs: fixed, Args: []string{"from there"}})
	other := f.Derivation("other")
	f.Added(drv)
	for _, tt := range []struct {
		name   string
		s      daemon.Submission
		reason string
	}{
		{"the derivation has a build", daemon.Submission{Derivation: drv, SkipIfDerivationHasBuild: true}, daemon.DerivationHasBuild},
		{"its output has a build", daemon.Submission{Derivation: drv, SkipIfOutputsHaveBuild: true}, daemon.OutputHasBuild},
		{"another derivation of its output has a build", daemon.Submission{Derivation: same, SkipIfOutputsHaveBuild: true}, daemon.OutputHasBuild},
		{"only another derivation has a build", daemon.Submission{Derivation: same, SkipIfDerivationHasBuild: true}, ""},
		{"neither has a build", daemon.Submission{Derivation: other, SkipIfDerivationHasBuild: true, SkipIfOutputsHaveBuild: true}, ""},
		{"nothing is skipped", daemon.Submission{Derivation: drv}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done, err := f.Submit(t.Context(), tt.s)
			f.Must(err)
			if done.Reason != tt.reason || (done.UUID == "") != (tt.reason != "") {
				t.Fatalf("got %+v, want the reason %q", done, tt.reason)
			}
		})
	}
}

func TestInputsWithoutBuildsAreSubmittedIfWanted(t *testing.T) {
	f := coordinatortest.Open(t)
	a := f.Derivation("a")
	b := f.Derivation("b", a)
	c := f.Derivation("c", a)
	d := f.Derivation("d", b, c)
	f.Added(b) // has a build already
	until := f.Clock.Now().Add(time.Hour)
	done, err := f.Submit(t.Context(), daemon.Submission{
		Derivation: d, Priority: 3, WithInputs: true, NotBefore: until, Tags: []daemon.Tag{{Key: "k", Value: "v"}}})
	f.Must(err)
	if done.Inputs != 2 {
		t.Errorf("got %d builds for inputs, want 2", done.Inputs)
	}
	all, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	type build struct {
		Derivation storepath.Path
		Priority   int64
		State      daemon.State
		Tags       int
	}
	var got []build
	for _, b := range all {
		got = append(got, build{b.Derivation, b.Priority, b.State, len(b.Tags)})
	}
	want := []build{{b, 0, daemon.Waiting, 0}, {a, 3, daemon.Deferred, 1}, {c, 3, daemon.Waiting, 1}, {d, 3, daemon.Waiting, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("builds (-want +got)\n%s", diff)
	}
	done, err = f.Submit(t.Context(), daemon.Submission{Derivation: d, WithInputs: true})
	f.Must(err)
	if done.Inputs != 0 {
		t.Errorf("the second time: got %d builds for inputs, want 0", done.Inputs)
	}
}
