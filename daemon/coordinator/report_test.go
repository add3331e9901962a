package coordinator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

const hash = "sha256:0c6rdhv1q5jy7fsxdygjcxh3ihrjd7ix0c6rdhv1q5jy7fsxdygj"

func TestAResultIsRecordedWhole(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	drv := f.Make("hello", derivation.Derivation{Outputs: []derivation.Output{{Name: "doc"}, {Name: "out"}}})
	uuid := f.Added(drv)
	f.Given(agent, 1)
	f.Clock.Advance(time.Minute)
	f.Must(f.ReportStart(t.Context(), agent, uuid))
	if state := f.State(uuid); state != daemon.Started {
		t.Fatalf("got %s, want started", state)
	}
	f.Clock.Advance(time.Minute)
	out, doc := f.Output(drv, "out"), f.Output(drv, "doc")
	f.Must(f.ReportResult(t.Context(), agent, uuid, daemon.Result{
		Success: true, Ended: f.Clock.Now(), Outputs: []daemon.Output{
			{Name: "out", Hash: hash, Size: 1 << 40, References: []storepath.Path{doc, out}},
			{Name: "doc", Hash: hash, Size: 0},
		}}))
	f.Restart()
	got, err := f.Coordinator.Build(t.Context(), uuid)
	f.Must(err)
	start := time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC)
	want := daemon.BuildDetail{
		Build: daemon.Build{UUID: uuid, Derivation: drv, System: coordinatortest.System, State: daemon.Succeeded,
			Created: start, Ended: start.Add(2 * time.Minute), Agent: agent},
		Starts: []daemon.Start{{Agent: agent, Time: start.Add(time.Minute)}},
		Outputs: []daemon.Output{
			{Name: "doc", Path: doc, Hash: hash},
			{Name: "out", Path: out, Hash: hash, Size: 1 << 40, References: []storepath.Path{doc, out}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the build (-want +got)\n%s", diff)
	}
}

func TestAFailureIsRecordedWithItsReasonButWithoutOutputs(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	drv := f.Derivation("hello")
	uuid := f.Added(drv)
	f.Given(agent, 1)
	f.Must(f.ReportResult(t.Context(), agent, uuid, daemon.Result{
		Reason: "the builder failed\nwith exit code 1", Outputs: []daemon.Output{{Name: "out", Hash: hash}}}))
	got, err := f.Coordinator.Build(t.Context(), uuid)
	f.Must(err)
	want := daemon.BuildDetail{
		Build: daemon.Build{UUID: uuid, Derivation: drv, System: coordinatortest.System, State: daemon.Failed,
			Created: f.Clock.Now(), Ended: f.Clock.Now(), Agent: agent},
		Outputs:       []daemon.Output{{Name: "out", Path: f.Output(drv, "out")}},
		FailureReason: "the builder failed\nwith exit code 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the build (-want +got)\n%s", diff)
	}
}

func TestATimeThatCannotBeIsReplaced(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	now := f.Clock.Now()
	for i, tt := range []struct {
		name       string
		said, want time.Time
	}{
		{"no time", time.Time{}, now},
		{"a clock that is wrong", now.AddDate(10, 0, 0), now},
		{"a clock that is a little fast", now.Add(time.Minute), now.Add(time.Minute)},
		{"a report that took long", now.Add(-time.Hour), now.Add(-time.Hour)},
	} {
		uuid := f.Added(f.Derivation(fmt.Sprint("hello", i)))
		f.Given(agent, 1)
		f.Must(f.ReportResult(t.Context(), agent, uuid, daemon.Result{Success: true, Ended: tt.said}))
		b, err := f.Coordinator.Build(t.Context(), uuid)
		f.Must(err)
		if !b.Ended.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, b.Ended, tt.want)
		}
	}
}

// Every report may arrive twice, since an answer may get lost. The second
// time changes nothing.
func TestReportsThatArriveTwice(t *testing.T) {
	success := daemon.Result{Success: true, Outputs: []daemon.Output{{Name: "out", Hash: hash, Size: 1}}}
	for _, tt := range []struct {
		name   string
		report func(f *coordinatortest.Farm, agent, uuid string) error
		state  daemon.State
	}{
		{"start", func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReportStart(t.Context(), agent, uuid)
		}, daemon.Started},
		{"success", func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReportResult(t.Context(), agent, uuid, success)
		}, daemon.Succeeded},
		{"failure", func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReportResult(t.Context(), agent, uuid, daemon.Result{Reason: "exit code 1"})
		}, daemon.Failed},
		{"setup failure", func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: daemon.MissingInputs})
		}, daemon.Deferred},
		{"release", func(f *coordinatortest.Farm, agent, uuid string) error {
			return f.ReleaseBuild(t.Context(), agent, uuid)
		}, daemon.Ready},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := coordinatortest.Open(t)
			agent, _ := f.Joined("bedok")
			uuid := f.Added(f.Derivation("hello"))
			f.Given(agent, 1)
			f.Must(tt.report(f, agent, uuid))
			if state := f.State(uuid); state != tt.state {
				t.Fatalf("got %s, want %s", state, tt.state)
			}
			before, said := f.Dump(), f.Log.String()
			f.Clock.Advance(time.Second)
			f.Must(tt.report(f, agent, uuid))
			if diff := cmp.Diff(before, f.Dump()); diff != "" {
				t.Errorf("the second time the database changed (-before +after)\n%s", diff)
			}
			if diff := cmp.Diff(said, f.Log.String()); diff != "" {
				t.Errorf("the second time something was logged\n%s", diff)
			}
		})
	}
}

func TestTheFirstResultCounts(t *testing.T) {
	for _, success := range []bool{true, false} {
		f := coordinatortest.Open(t)
		agent, _ := f.Joined("bedok")
		uuid := f.Added(f.Derivation("hello"))
		f.Given(agent, 1)
		f.Ended(agent, uuid, success)
		before := f.Dump()
		for name, err := range map[string]error{
			"the other result": f.ReportResult(t.Context(), agent, uuid, daemon.Result{Success: !success}),
			"a start":          f.ReportStart(t.Context(), agent, uuid),
			"a setup failure":  f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: "x"}),
			"a release":        f.ReleaseBuild(t.Context(), agent, uuid),
		} {
			if daemon.CodeOf(err) != daemon.Processed {
				t.Errorf("%s after a result: got the error %v, want one that is %s", name, err, daemon.Processed)
			}
		}
		if diff := cmp.Diff(before, f.Dump()); diff != "" {
			t.Errorf("the database changed (-before +after)\n%s", diff)
		}
	}
}

// reports are all that an agent can say of a build.
func reports(t *testing.T, f *coordinatortest.Farm, agent, uuid string) map[string]error {
	ctx := t.Context()
	return map[string]error{
		"start":         f.ReportStart(ctx, agent, uuid),
		"success":       f.ReportResult(ctx, agent, uuid, daemon.Result{Success: true}),
		"failure":       f.ReportResult(ctx, agent, uuid, daemon.Result{}),
		"setup failure": f.ReportSetupFailure(ctx, agent, uuid, daemon.SetupFailure{Reason: "x"}),
		"release":       f.ReleaseBuild(ctx, agent, uuid),
		"log":           f.SaveLog(ctx, agent, uuid, "none", strings.NewReader("log")),
	}
}

func TestOnlyTheHolderOfABuildIsHeard(t *testing.T) {
	f := coordinatortest.Open(t)
	holder, _ := f.Joined("holder")
	foreign, _ := f.Joined("foreign")
	allocated, started, ended := f.Added(f.Derivation("a")), f.Added(f.Derivation("s")), f.Added(f.Derivation("e"))
	f.Given(holder, 3)
	f.Must(f.ReportStart(t.Context(), holder, started))
	f.Ended(holder, ended, true)
	nobodys := f.Added(f.Derivation("n"))
	for _, tt := range []struct {
		name, agent, uuid string
		want              daemon.Code
	}{
		{"another's build", foreign, allocated, daemon.Denied},
		{"another's started build", foreign, started, daemon.Denied},
		{"another's ended build", foreign, ended, daemon.Denied},
		{"nobody's build", holder, nobodys, daemon.Denied},
		{"no build", holder, coordinatortest.UUID(9), daemon.NotFound},
		{"no UUID", holder, "hello", daemon.Invalid},
		{"a file elsewhere", holder, "../../../etc/passwd", daemon.Invalid},
	} {
		before := f.Dump()
		for name, err := range reports(t, f, tt.agent, tt.uuid) {
			if code := daemon.CodeOf(err); code != tt.want {
				t.Errorf("%s, %s: got the error %v (%s), want %s", tt.name, name, err, code, tt.want)
			}
		}
		if diff := cmp.Diff(before, f.Dump()); diff != "" {
			t.Errorf("%s: the database changed (-before +after)\n%s", tt.name, diff)
		}
	}
}

func TestReportsThatMakeNoSense(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	uuid := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	result := func(outputs ...daemon.Output) error {
		return f.ReportResult(t.Context(), agent, uuid, daemon.Result{Success: true, Outputs: outputs})
	}
	setup := func(s daemon.SetupFailure) error { return f.ReportSetupFailure(t.Context(), agent, uuid, s) }
	before := f.Dump()
	for name, err := range map[string]error{
		"an output that the derivation lacks": result(daemon.Output{Name: "doc", Hash: hash}),
		"an output twice":                     result(daemon.Output{Name: "out", Hash: hash}, daemon.Output{Name: "out", Hash: hash}),
		"a negative size":                     result(daemon.Output{Name: "out", Hash: hash, Size: -1}),
		"no hash":                             result(daemon.Output{Name: "out"}),
		"a huge hash":                         result(daemon.Output{Name: "out", Hash: strings.Repeat("x", 201)}),
		"a setup failure without a reason":    setup(daemon.SetupFailure{}),
		"a setup failure with a huge reason":  setup(daemon.SetupFailure{Reason: strings.Repeat("x", 5000)}),
		"very many missing inputs":            setup(daemon.SetupFailure{Reason: "x", MissingInputs: make([]storepath.Path, 10_001)}),
	} {
		if daemon.CodeOf(err) != daemon.Invalid {
			t.Errorf("%s: got the error %v, want one that is %s", name, err, daemon.Invalid)
		}
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the database changed (-before +after)\n%s", diff)
	}
	f.Ended(agent, uuid, true) // and the build can still be ended
}

func TestFailedBuildsBlockWhatNeedsThem(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	a, b := f.Derivation("a"), f.Derivation("b")
	middle := f.Derivation("middle", a, b)
	top := f.Derivation("top", middle)
	buildA, buildB, buildMiddle, buildTop := f.Added(a), f.Added(b), f.Added(middle), f.Added(top)
	f.Given(agent, 2)

	type view struct {
		State               daemon.State
		BlockedBy, WaitsFor []string
	}
	see := func(name, uuid string, want view) {
		t.Helper()
		d, err := f.Coordinator.Build(t.Context(), uuid)
		f.Must(err)
		if diff := cmp.Diff(want, view{d.State, d.BlockedBy, d.WaitsFor}); diff != "" {
			t.Fatalf("%s (-want +got)\n%s", name, diff)
		}
	}
	see("waiting", buildTop, view{daemon.Waiting, nil, []string{buildMiddle}})
	see("waiting", buildMiddle, view{daemon.Waiting, nil, []string{buildA, buildB}})
	f.Ended(agent, buildA, false)
	f.Ended(agent, buildB, false)
	for range 2 {
		see("blocked", buildMiddle, view{daemon.Blocked, []string{buildA, buildB}, nil})
		see("blocked from below", buildTop, view{daemon.Blocked, []string{buildA, buildB}, []string{buildMiddle}})
		f.Restart()
	}
	again := f.Added(a) // another try
	see("half hope", buildMiddle, view{daemon.Blocked, []string{buildB}, []string{again}})
	f.Given(agent, 1)
	f.Ended(agent, again, true)
	see("one is there", buildMiddle, view{daemon.Blocked, []string{buildB}, nil})
}

func TestALogIsKept(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	uuid := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	for _, text := range []string{"first", "second"} { // the last one counts
		f.Must(f.SaveLog(t.Context(), agent, uuid, "none", strings.NewReader(text)))
	}
	f.Ended(agent, uuid, true)
	f.Must(f.SaveLog(t.Context(), agent, uuid, "none", strings.NewReader("sent again")))
	err := f.SaveLog(t.Context(), agent, uuid, "none", strings.NewReader(strings.Repeat("x", coordinatortest.MaxLogSize+1)))
	if daemon.CodeOf(err) != daemon.TooLarge {
		t.Errorf("a huge log: got the error %v, want one that is %s", err, daemon.TooLarge)
	}
}

// README of the Guix Build Coordinator: on success the coordinator logs the
// build, "succeeded" and the agent in one line.
func TestWhatHappensIsLoggedInOneLineEach(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	uuid := f.Submitted(daemon.Submission{Derivation: f.Derivation("hello"), UUID: coordinatortest.UUID(1)})
	f.Given(agent, 1)
	f.Must(f.ReportStart(t.Context(), agent, uuid))
	f.Must(f.ReportSetupFailure(t.Context(), agent, uuid, daemon.SetupFailure{Reason: daemon.CouldNotDelete}))
	f.Clock.Advance(coordinatortest.SetupRetry)
	f.Restart()
	f.Given(agent, 1)
	f.Must(f.ReleaseBuild(t.Context(), agent, uuid))
	f.Given(agent, 1)
	f.Ended(agent, uuid, true)
	var got []string
	for line := range strings.Lines(f.Log.String()) {
		if _, text, ok := strings.Cut(line, "msg="); ok && strings.Contains(text, uuid) {
			text = strings.ReplaceAll(strings.TrimSpace(text), uuid, "UUID")
			got = append(got, strings.ReplaceAll(text, agent, "AGENT"))
		}
	}
	want := []string{
		`"build UUID submitted" derivation=` + string(f.Derivation("hello")) + ` priority=0 inputs=0`,
		`"build UUID started" agent=AGENT`,
		`"build UUID could not be set up" agent=AGENT reason=could_not_delete_outputs missing=0 again="2025-08-13 00:00:30"`,
		`"build UUID handed back" agent=AGENT`,
		`"build UUID succeeded" agent=AGENT`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("log (-want +got)\n%s", diff)
	}
}
