package datastore

import (
	"context"
	"strconv"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"

	"github.com/google/go-cmp/cmp"
)

// list is a database of six builds:
//
//	1 waits, 2 is with an agent, 3 succeeded, 4 failed, 5 was canceled,
//	6 is deferred and of another system
//
// of which the even ones have the tag parity=even and all have a tag n.
func list(t *testing.T) *Store {
	s := fresh(t)
	hello := insert(t, s, "hello")
	arm := insertDerivation(t, s, "hello-arm", &derivation.Derivation{System: "aarch64-linux",
		Outputs: []derivation.Output{{Name: "out", Path: item("hello-arm")}}})
	id := agent(t, s, "bedok")
	for n := 1; n <= 6; n++ {
		drv, b := hello, daemon.Build{Tags: []daemon.Tag{{Key: "n", Value: strconv.Itoa(n)}}}
		if n%2 == 0 {
			b.Tags = append(b.Tags, daemon.Tag{Key: "parity", Value: "even"})
		}
		if n == 6 {
			drv, b.NotBefore = arm, noon.Add(time.Hour)
		}
		submit(t, s, n, drv, b)
	}
	update(t, s, func(ctx context.Context, tx *Tx) error { return tx.Allocate(ctx, build(t, s, 2).ID, id) })
	finish(t, s, 3, id, true)
	finish(t, s, 4, id, false)
	if _, err := s.writer.Exec("UPDATE builds SET canceled = 1 WHERE uuid = ?", uuid(5)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheStatesOfBuilds(t *testing.T) {
	s := list(t)
	want := []daemon.State{daemon.Waiting, daemon.Allocated, daemon.Succeeded, daemon.Failed, daemon.Canceled, daemon.Deferred}
	var got []daemon.State
	for i, b := range must(s.Builds(context.Background(), BuildFilter{}))(t) {
		got = append(got, b.State)
		if diff := cmp.Diff(build(t, s, i+1), b); diff != "" {
			t.Errorf("by itself and in the list (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("states (-want +got):\n%s", diff)
	}
}

func TestBuildsAreChosen(t *testing.T) {
	s := list(t)
	yes, no := true, false
	tests := []struct {
		name   string
		filter BuildFilter
		want   []int
	}{
		{"all", BuildFilter{}, []int{1, 2, 3, 4, 5, 6}},
		{"processed", BuildFilter{Processed: &yes}, []int{3, 4}},
		{"not processed", BuildFilter{Processed: &no}, []int{1, 2, 5, 6}},
		{"canceled", BuildFilter{Canceled: &yes}, []int{5}},
		{"unfinished", BuildFilter{Processed: &no, Canceled: &no}, []int{1, 2, 6}},
		{"of a system", BuildFilter{Systems: []string{"aarch64-linux"}}, []int{6}},
		{"of a system that nobody knows", BuildFilter{Systems: []string{"pdp11-bsd"}}, nil},
		{"with a tag", BuildFilter{Tags: []TagFilter{tagged("parity", "even")}}, []int{2, 4, 6}},
		{"with a tag of another value", BuildFilter{Tags: []TagFilter{tagged("parity", "odd")}}, nil},
		{"with any value of a tag", BuildFilter{Tags: []TagFilter{{Key: "n"}}}, []int{1, 2, 3, 4, 5, 6}},
		{"with a tag, of a system", BuildFilter{Tags: []TagFilter{{Key: "parity"}}, Systems: []string{"x86_64-linux"}}, []int{2, 4}},
		{"of one of two systems", BuildFilter{Systems: []string{"aarch64-linux", "pdp11-bsd"}}, []int{6}},
		{"not of a system", BuildFilter{NotSystems: []string{"aarch64-linux"}}, []int{1, 2, 3, 4, 5}},
		{"with two tags", BuildFilter{Tags: []TagFilter{{Key: "parity"}, tagged("n", "4")}}, []int{4}},
		{"without a tag", BuildFilter{NotTags: []TagFilter{{Key: "parity"}}}, []int{1, 3, 5}},
		{"without one of two tags", BuildFilter{NotTags: []TagFilter{{Key: "parity"}, tagged("n", "1")}}, []int{3, 5}},
		{"of a derivation", BuildFilter{Derivation: item("nothing.drv")}, nil},
		{"of no higher priority", BuildFilter{PriorityAbove: new(int64)}, nil},
		{"created before the first", BuildFilter{CreatedBefore: noon}, nil},
		{"created after yesterday", BuildFilter{CreatedAfter: noon.Add(-24 * time.Hour)}, []int{1, 2, 3, 4, 5, 6}},
		{"the first two", BuildFilter{Limit: 2}, []int{1, 2}},
		{"the two after those", BuildFilter{Limit: 2, After: uuid(2)}, []int{3, 4}},
		{"the rest", BuildFilter{Limit: 3, After: uuid(4)}, []int{5, 6}},
		{"after the last", BuildFilter{After: uuid(6)}, nil},
		{"a page of those with a tag", BuildFilter{Tags: []TagFilter{{Key: "parity"}}, Limit: 1, After: uuid(3)}, []int{4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for _, b := range must(s.Builds(context.Background(), tt.filter))(t) {
				n, err := strconv.Atoi(b.Tags[0].Value)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, n)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("builds (-want +got):\n%s", diff)
			}
		})
	}
}

func tagged(key, value string) TagFilter { return TagFilter{key, &value} }

func TestAnUnknownBuildIsNotFound(t *testing.T) {
	if _, found, err := fresh(t).Build(context.Background(), uuid(1)); found || err != nil {
		t.Fatalf("got %v, %v, want nothing", found, err)
	}
}

func TestUUIDs(t *testing.T) {
	s := list(t)
	ids := []int64{build(t, s, 4).ID, build(t, s, 1).ID, 77}
	if diff := cmp.Diff([]string{uuid(1), uuid(4)}, must(s.UUIDs(context.Background(), ids))(t)); diff != "" {
		t.Fatalf("UUIDs (-want +got):\n%s", diff)
	}
	if got := must(s.UUIDs(context.Background(), nil))(t); got != nil {
		t.Fatalf("of nothing: got %v", got)
	}
}

func TestTheQueueHasWhatIsNotFinished(t *testing.T) {
	s := list(t)
	var got []QueuedBuild
	err := s.Queue(context.Background(), func(b *QueuedBuild) error {
		got = append(got, QueuedBuild{ID: b.ID, Shape: Shape{System: b.System}, Agent: b.Agent, NotBefore: b.NotBefore})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []QueuedBuild{
		{ID: build(t, s, 1).ID, Shape: Shape{System: "x86_64-linux"}},
		{ID: build(t, s, 2).ID, Shape: Shape{System: "x86_64-linux"}, Agent: "agent-bedok"},
		{ID: build(t, s, 6).ID, Shape: Shape{System: "aarch64-linux"}, NotBefore: noon.Add(time.Hour)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("queue (-want +got):\n%s", diff)
	}
	if err := s.Queue(context.Background(), func(*QueuedBuild) error { return errNo }); err == nil {
		t.Fatal("an error of the function is lost")
	}
}
