package clientapi_test

import (
	"fmt"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

func TestBuildsAreCanceled(t *testing.T) {
	f := history(t)
	for _, tt := range []struct {
		build      int
		body, want string
	}{
		{0, ``, daemon.BuildAlreadyProcessed},
		{1, `{}`, daemon.BuildAlreadyProcessed},
		{2, `{"ignore-if-build-required-by-another":true}`, daemon.BuildWasCanceled},
		{3, `{"ignore_if_build_required_by_another":false,"skip-updating-derived-priorities":true}`, daemon.BuildWasCanceled},
		{3, ``, daemon.BuildWasCanceledAlready},
	} {
		reply := f.accept("POST", "/build/"+coordinatortest.UUID(tt.build)+"/cancel", tt.body)
		if diff := cmp.Diff(map[string]any{"result": tt.want}, reply); diff != "" {
			t.Errorf("%d with %s (-want +got)\n%s", tt.build, tt.body, diff)
		}
	}
	if state := f.State(coordinatortest.UUID(3)); state != daemon.Canceled {
		t.Errorf("got the state %s, want canceled", state)
	}
}

func TestPrioritiesAreUpdated(t *testing.T) {
	f := history(t)
	for _, path := range []string{"/update-priority", "/priority"} {
		for _, field := range []string{"new-priority", "new_priority"} {
			reply := f.accept("POST", "/build/"+coordinatortest.UUID(5)+path,
				`{"`+field+`":-7,"override-derived-priority":3,"skip-updating-derived-priorities":true}`)
			if diff := cmp.Diff(map[string]any{"result": "priority-updated"}, reply); diff != "" {
				t.Errorf("reply (-want +got)\n%s", diff)
			}
		}
	}
	f.accept("POST", "/build/"+coordinatortest.UUID(5)+"/update-priority", `{"new-priority":0}`)
	b, err := f.Coordinator.Build(t.Context(), coordinatortest.UUID(5))
	f.Must(err)
	if b.Priority != 0 {
		t.Errorf("got the priority %d, want 0", b.Priority)
	}
}

func TestBuildsAreRetried(t *testing.T) {
	f := history(t)
	reply := f.accept("POST", "/build/"+coordinatortest.UUID(1)+"/retry", ``)
	uuids := reply["builds-submitted"].([]any)
	if len(uuids) != 1 {
		t.Fatalf("got the builds %v, want one", uuids)
	}
	if state := f.State(uuids[0].(string)); state != daemon.Ready {
		t.Errorf("got the state %s of the new build, want ready", state)
	}
	reply = f.accept("POST", "/build/"+coordinatortest.UUID(1)+"/retry", `{"with_blocked":true}`)
	if diff := cmp.Diff([]any{}, reply["builds_submitted"]); diff != "" {
		t.Errorf("once more (-want +got)\n%s", diff)
	}
}

func TestManyBuildsAreCanceledAtOnce(t *testing.T) {
	for _, tt := range []struct {
		body string
		want string // the last digits of the builds that are canceled
	}{
		{`{"tag":"set:science"}`, "2345"},
		{`{"tag":["set:science"],"unstarted-only":true}`, "245"},
		{`{"tag":["set","long-4.drv"]}`, "3"},
		{`{"tag":"set","not-tag":["long-4.drv"],"not-system":"i686-linux"}`, "24"},
		{`{"tag":"set:games"}`, ""},
		{`{"system":"i686-linux"}`, "5"},
		{`{"system":["i686-linux","x86_64-linux"]}`, "2345"},
		{`{"priority-gt":0}`, "35"},
		{`{"priority_lt":"1"}`, "24"},
		{`{"created-after":"2025-08-12 00:00:00","created-before":"2025-08-14 00:00:00"}`, "2345"},
		{`{"created-after":"2025-08-14 00:00:00"}`, ""},
		{`{"all":true}`, "2345"},
		{`{"all":true,"unless-required":true,"unstarted-only":true}`, "245"},
		{`{"all":true,"system":"i686-linux"}`, "5"}, // a filter holds all the same
	} {
		f := history(t)
		reply := f.accept("POST", "/builds/cancel", tt.body)
		var got strings.Builder
		for n := range 6 {
			if f.State(coordinatortest.UUID(n)) == daemon.Canceled {
				fmt.Fprint(&got, n)
			}
		}
		if got.String() != tt.want || reply["builds_canceled"] != float64(len(tt.want)) {
			t.Errorf("%s: got %q and the reply %v, want %q", tt.body, got.String(), reply, tt.want)
		}
	}
}

func TestRequestsToChangeBuildsThatAreRefused(t *testing.T) {
	f := history(t)
	nobody, huge := coordinatortest.UUID(99), strings.Repeat(" ", wire.MaxBody+1)
	build := "/build/" + coordinatortest.UUID(5)
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"/build/" + nobody + "/cancel", ``, 404},
		{"/build/hello/cancel", ``, 400},
		{build + "/cancel", `[]`, 400},
		{build + "/cancel", `{"ignore-if-build-required-by-another":"yes"}`, 400},
		{build + "/cancel", huge, 413},
		{"/build/" + nobody + "/update-priority", `{"new-priority":1}`, 404},
		{"/build/" + coordinatortest.UUID(0) + "/update-priority", `{"new-priority":1}`, 400},
		{build + "/update-priority", ``, 400},
		{build + "/update-priority", `{"priority":1}`, 400},
		{build + "/update-priority", `{"new-priority":1.5}`, 400},
		{build + "/update-priority", `{"new-priority":"1"}`, 400},
		{"/build/" + nobody + "/retry", ``, 404},
		{"/build/hello/retry", ``, 400},
		{build + "/retry", ``, 409},                               // it has not ended
		{"/build/" + coordinatortest.UUID(0) + "/retry", ``, 409}, // it succeeded
		{build + "/retry", `{"with-blocked":1}`, 400},
		{"/builds/cancel", ``, 400},
		{"/builds/cancel", `{}`, 400},
		{"/builds/cancel", `null`, 400},
		{"/builds/cancel", `{"all":false}`, 400},
		{"/builds/cancel", `{"all":"true"}`, 400},
		{"/builds/cancel", `{"unstarted_only":true}`, 400},
		{"/builds/cancel", `{"tag":[]}`, 400},
		{"/builds/cancel", `{"tag":""}`, 400},
		{"/builds/cancel", `{"tag":["set",""]}`, 400},
		{"/builds/cancel", `{"tag":{"key":"set"}}`, 400},
		{"/builds/cancel", `{"tag":[["set"]]}`, 400},
		{"/builds/cancel", `{"tag":":x"}`, 400},
		{"/builds/cancel", `{"system":true}`, 400},
		{"/builds/cancel", `{"system":"i686-linux","not_sytem":"x"}`, 400}, // misspelt
		{"/builds/cancel", `{"all":true,"limit":1}`, 400},
		{"/builds/cancel", `{"all":true,"after_id":"` + coordinatortest.UUID(1) + `"}`, 400},
		{"/builds/cancel", `{"all":true,"relationship":"no-dependent-builds"}`, 400},
		{"/builds/cancel", `{"all":true,"processed":true}`, 400},
		{"/builds/cancel", `{"priority_gt":1.5}`, 400},
		{"/builds/cancel", `{"priority_gt":[1,2]}`, 400},
		{"/builds/cancel", `{"created_after":"yesterday"}`, 400},
		{"/builds/cancel", `{"derivation":"hello"}`, 400},
		{"/builds/cancel", huge, 413},
	} {
		f.refuse("POST", tt.path, tt.body, tt.status)
	}
}

func TestFailedBuildsAreListedWithHowManyTheyBlock(t *testing.T) {
	f := history(t)
	for query, want := range map[string][]any{
		"":                                []any{1.0},
		"?system=x86_64-linux&target=":    []any{1.0},
		"?system=i686-linux":              nil,
		"?system=&threshold=1":            []any{1.0},
		"?threshold=2":                    nil,
		"?system=i686-linux&system=other": nil,
	} {
		var got []any
		for _, b := range f.accept("GET", "/failed-builds-with-blocking-count"+query, "")["builds"].([]any) {
			b := b.(map[string]any)
			if b["uuid"] != coordinatortest.UUID(1) || b["build_id"] != b["uuid"] || b["result"] != "failure" {
				t.Errorf("%s: got the build %v, want the failed one", query, b)
			}
			got = append(got, b["blocking-count"])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
	}
	for _, query := range []string{"threshold=0", "limit=0", "limit=1001", "limit=few", "threshold=many", "unknown=1", "target=i586-pc-gnu", "%zz"} {
		f.refuse("GET", "/failed-builds-with-blocking-count?"+query, "", 400)
	}
}

func TestTheClientChangesBuilds(t *testing.T) {
	f := history(t)
	ctx := t.Context()
	c := clientapi.NewClient(f.url)
	blocking, err := c.Blocking(ctx, nil, 1, 1)
	f.Must(err)
	if len(blocking.Builds) != 1 || blocking.All != 1 || blocking.Builds[0].UUID != coordinatortest.UUID(1) || blocking.Builds[0].Blocks != 1 {
		t.Errorf("got %+v, want the build 1, which blocks one", blocking)
	}
	f.Must(c.SetPriority(ctx, coordinatortest.UUID(5), -3))
	b, err := c.Build(ctx, coordinatortest.UUID(5))
	f.Must(err)
	if b.Priority != -3 {
		t.Errorf("got the priority %d, want -3", b.Priority)
	}
	uuids, err := c.Retry(ctx, coordinatortest.UUID(1), true)
	f.Must(err)
	if len(uuids) != 1 {
		t.Errorf("got the new builds %v, want one", uuids)
	}
	outcome, err := c.Cancel(ctx, coordinatortest.UUID(3), true)
	f.Must(err)
	if outcome != daemon.BuildWasCanceled {
		t.Errorf("got the outcome %s, want %s", outcome, daemon.BuildWasCanceled)
	}
	low := int64(-2)
	n, err := c.CancelBuilds(ctx, wire.CancelBuilds{Tags: []string{"set:science"}, Systems: []string{"i686-linux"}, PriorityBelow: &low,
		CreatedBefore: wire.Time{Time: f.Clock.Now().AddDate(1, 0, 0)}, UnstartedOnly: true})
	f.Must(err)
	if n != 1 || f.State(coordinatortest.UUID(5)) != daemon.Canceled {
		t.Errorf("canceled %d builds, want the build 5", n)
	}
	if _, err := c.CancelBuilds(ctx, wire.CancelBuilds{}); err == nil {
		t.Error("all builds were canceled although nobody said so")
	}
}
