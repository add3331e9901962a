package config

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestTakeNamesWhatARunningFarmTakesOver(t *testing.T) {
	before := Default("/var/lib/tbfg")
	after := Default("/srv/tbfg")
	after.LogLevel = "debug"
	after.Coordinator.Lease = Duration(time.Hour)
	after.Coordinator.AgentListen = []string{"127.0.0.1:8745"}
	after.LocalAgent.MaxParallelBuilds = 7
	after.Agent.MaxParallelBuilds = 7
	after.Hooks.Parallel = 9
	after.Hooks.Each = []Hook{{Name: "mail"}}
	got, live, restart := Take(before, after)
	if want := []string{"log_level", "coordinator.lease", "local_agent.max_parallel_builds", "parallel_hooks", "hook"}; !slices.Equal(live, want) {
		t.Errorf("live: got %q, want %q", live, want)
	}
	if want := []string{"state_dir", "coordinator.agent_listen"}; !slices.Equal(restart, want) {
		t.Errorf("restart: got %q, want %q", restart, want)
	}
	want := after
	want.StateDir, want.Coordinator.AgentListen = before.StateDir, before.Coordinator.AgentListen
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v in effect, want %+v", got, want)
	}
	if _, live, restart := Take(after, after); live != nil || restart != nil {
		t.Errorf("nothing changed: got %q and %q", live, restart)
	}
}

// A tag that is misspelled would make a key live by mistake.
func TestApplyTagsAreKnown(t *testing.T) {
	var visit func(reflect.Type)
	visit = func(in reflect.Type) {
		for _, f := range reflect.VisibleFields(in) {
			if apply, ok := f.Tag.Lookup("apply"); ok && apply != "restart" {
				t.Errorf("%s: the tag apply is %q, want \"restart\" or none", f.Name, apply)
			}
			if f.Type.Kind() == reflect.Struct && !f.Anonymous {
				visit(f.Type)
			}
		}
	}
	visit(reflect.TypeFor[Config]())
}
