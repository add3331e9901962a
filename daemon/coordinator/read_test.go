package coordinator_test

import (
	"fmt"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/derivation"

	"github.com/google/go-cmp/cmp"
)

func TestBuildsCanBeChosen(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	for n, s := range []daemon.Submission{
		{Derivation: f.Derivation("zero"), Tags: []daemon.Tag{{Key: "set", Value: "science"}}},
		{Derivation: f.Derivation("one"), Tags: []daemon.Tag{{Key: "set", Value: "games"}, {Key: "new", Value: ""}}},
		{Derivation: f.Make("two", derivation.Derivation{System: "i686-linux"})},
		{Derivation: f.Derivation("three")},
	} {
		s.UUID = coordinatortest.UUID(n)
		f.Submitted(s)
	}
	f.Given(agent, 1)
	f.Ended(agent, coordinatortest.UUID(0), true)
	yes, no := true, false
	games := "games"
	for _, tt := range []struct {
		name   string
		filter coordinator.Filter
		want   []int
	}{
		{"all", coordinator.Filter{}, []int{0, 1, 2, 3}},
		{"processed", coordinator.Filter{Processed: &yes}, []int{0}},
		{"not processed", coordinator.Filter{Processed: &no}, []int{1, 2, 3}},
		{"canceled", coordinator.Filter{Canceled: &yes}, nil},
		{"not canceled", coordinator.Filter{Canceled: &no}, []int{0, 1, 2, 3}},
		{"of a system", coordinator.Filter{Systems: []string{"i686-linux"}}, []int{2}},
		{"of an unknown system", coordinator.Filter{Systems: []string{"vax-netbsd"}}, nil},
		{"with a tag", coordinator.Filter{Tags: []datastore.TagFilter{{Key: "set"}}}, []int{0, 1}},
		{"with a tag's value", coordinator.Filter{Tags: []datastore.TagFilter{{Key: "set", Value: &games}}}, []int{1}},
		{"the first", coordinator.Filter{Limit: 2}, []int{0, 1}},
		{"those after one", coordinator.Filter{After: coordinatortest.UUID(1)}, []int{2, 3}},
		{"a page", coordinator.Filter{After: coordinatortest.UUID(0), Limit: 2, Processed: &no}, []int{1, 2}},
		{"those after the last", coordinator.Filter{After: coordinatortest.UUID(3)}, nil},
		{"a huge limit", coordinator.Filter{Limit: 1 << 60}, []int{0, 1, 2, 3}},
	} {
		builds, err := f.Builds(t.Context(), tt.filter)
		f.Must(err)
		var got []int
		for _, b := range builds {
			for n := range 4 {
				if b.UUID == coordinatortest.UUID(n) {
					got = append(got, n)
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestAPageFollowsABuildThatExists(t *testing.T) {
	f := coordinatortest.Open(t)
	f.Added(f.Derivation("hello"))
	for after, want := range map[string]daemon.Code{coordinatortest.UUID(9): daemon.NotFound, "hello": daemon.Invalid} {
		if _, err := f.Builds(t.Context(), coordinator.Filter{After: after}); daemon.CodeOf(err) != want {
			t.Errorf("after %s: got the error %v, want one that is %s", after, err, want)
		}
	}
}

func TestAListSaysOfEachBuildWhatTheBuildSays(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	below := f.Derivation("below")
	f.Added(below)
	for i := range 3 {
		below = f.Derivation(fmt.Sprint("above", i), below)
		f.Added(below)
	}
	f.Added(f.Derivation("other"))
	f.Ended(agent, f.Given(agent, 1)[0], false)
	builds, err := f.Builds(t.Context(), coordinator.Filter{})
	f.Must(err)
	for _, b := range builds {
		detail, err := f.Coordinator.Build(t.Context(), b.UUID)
		f.Must(err)
		if diff := cmp.Diff(detail.Build, b); diff != "" {
			t.Errorf("in the list (-alone +in the list)\n%s", diff)
		}
	}
}

func TestBuildsAndAgentsThatAreNotThere(t *testing.T) {
	f := coordinatortest.Open(t)
	for uuid, want := range map[string]daemon.Code{coordinatortest.UUID(9): daemon.NotFound, "": daemon.Invalid, "hello": daemon.Invalid} {
		if _, err := f.Coordinator.Build(t.Context(), uuid); daemon.CodeOf(err) != want {
			t.Errorf("the build %q: got the error %v, want one that is %s", uuid, err, want)
		}
		if _, err := f.Agent(t.Context(), uuid); daemon.CodeOf(err) != want {
			t.Errorf("the agent %q: got the error %v, want one that is %s", uuid, err, want)
		}
	}
}
