package scheduler

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"

	"github.com/google/go-cmp/cmp"
)

// tagged parses "key=value key=value".
func tagged(text string) (tags []daemon.Tag) {
	for _, field := range strings.Fields(text) {
		key, value, _ := strings.Cut(field, "=")
		tags = append(tags, daemon.Tag{Key: key, Value: value})
	}
	return tags
}

func TestAnAgentTakes(t *testing.T) {
	tests := []struct {
		name         string
		agent, build string
		want         bool
	}{
		{"what has no tags", "size=big", "", true},
		{"anything, having no tags", "", "size=big site=here", true},
		{"what shares its value", "size=big", "size=big", true},
		{"nothing with another value", "size=big", "size=small", false},
		{"what shares one of several values", "size=big size=small", "size=huge size=small", true},
		{"nothing that shares none of several values", "size=big size=small", "size=huge size=tiny", false},
		{"what has keys that it does not use", "size=big", "site=here size=big", true},
		{"nothing that clashes in one of several keys", "size=big site=there", "site=here size=big", false},
		{"what shares a value of each key", "site=here size=big", "size=big site=here", true},
		{"what is for its ID", "", "agent=a", true},
		{"what is for its name", "", "agent=anna", true},
		{"what is for it among others", "", "agent=b agent=anna", true},
		{"nothing that is for others", "", "agent=b agent=c", false},
		{"nothing that is for agents without a name", "", "agent=", false},
		{"what is for a group that it is in", "agent=group", "agent=group", true},
		{"what is for it though it is in a group", "agent=group", "agent=a", true},
		{"nothing for others though it is in a group", "agent=group", "agent=b", false},
		{"nothing for it that clashes otherwise", "size=big", "agent=a size=small", false},
		{"a value of another key as no value of its own", "size=big", "site=big", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := with(Build{ID: 1, System: "x86_64-linux", Tags: tagged(tt.build)})
			agent := Agent{ID: "a", Name: "anna", Systems: []string{"x86_64-linux"}, Tags: tagged(tt.agent)}
			got := s.AllocateTo(agent, 1)
			if (got != nil) != tt.want {
				t.Fatalf("got %v, want one: %v", got, tt.want)
			}
			s.Release(1, time.Time{})
			if n := s.ReadyFor(agent); (n == 1) != tt.want {
				t.Fatalf("got %d ready, want one: %v", n, tt.want)
			}
			checkInvariants(t, s)
		})
	}
	t.Run("nothing for agents without a name, having none", func(t *testing.T) {
		s := with(Build{ID: 1, Tags: tagged("agent=")})
		if got := s.AllocateTo(Agent{ID: "a", Systems: []string{""}}, 1); got != nil {
			t.Fatalf("got %v, want nothing", got)
		}
	})
}

func TestTheMostUrgentOfAllThatAnAgentTakes(t *testing.T) {
	s := New()
	for id, tags := range []string{"", "size=big", "size=small", "agent=a", "agent=b", "unknown=x"} {
		s.Add(Build{ID: int64(id), System: "x86_64-linux", Tags: tagged(tags), Priority: int64(id)})
	}
	agent := Agent{ID: "a", Systems: []string{"x86_64-linux"}, Tags: tagged("size=big")}
	if got := s.ReadyFor(agent); got != 5 {
		t.Fatalf("before the agent was met %d are ready, want 5 at most", got)
	}
	if diff := cmp.Diff([]int64{5, 3, 1}, s.AllocateTo(agent, 3)); diff != "" {
		t.Fatalf("allocated (-want +got):\n%s", diff)
	}
	if got := s.ReadyFor(agent); got != 1 {
		t.Fatalf("then %d are ready, want one", got)
	}
	checkInvariants(t, s)
}

// Builds differ in tags of every kind. Only those that agents use cost
// anything when a build is handed out.
func TestClassesFollowTheKeysThatAgentsUse(t *testing.T) {
	s := New()
	for id := range int64(100) {
		s.Add(Build{ID: id + 1, System: "x86_64-linux", Makes: []int64{id},
			Tags: tagged(fmt.Sprintf("issue=%d size=%d", id, id%3))})
	}
	classes := func(want int) {
		t.Helper()
		checkInvariants(t, s)
		if got := len(s.systems[0].queues); got != want {
			t.Fatalf("got %d classes of ready builds, want %d", got, want)
		}
	}
	meet := func(id, tags string) {
		s.AllocateTo(Agent{ID: id, Tags: tagged(tags)}, 1)
	}
	classes(1)
	meet("a", "size=1")
	classes(3)
	meet("b", "size=2 issue=5")
	classes(100)
	meet("b", "size=2")
	classes(3)
	meet("a", "")
	classes(3)
	meet("b", "")
	classes(1)
	meet("b", "")
	for id := range int64(100) {
		s.Finish(id+1, true)
	}
	classes(0)
}
