package agentapi_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// A build's life as our agent tells it.
func TestTheClientTellsABuildsLife(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	c := agentapi.NewClient(f.url+"/", f.agent, f.password)

	f.Must(c.ReportStatus(ctx, daemon.AgentStatus{Status: "idle", Load1Min: 0.25, Processors: 2}, true))
	a, err := f.Agent(ctx, f.agent)
	f.Must(err)
	if diff := cmp.Diff(&daemon.AgentStatus{Status: "idle", Load1Min: 0.25, Processors: 2, Time: f.Clock.Now()}, a.Status); diff != "" {
		t.Errorf("status (-want +got)\n%s", diff)
	}

	drv := f.Derivation("urgent")
	urgent := f.Submitted(daemon.Submission{Derivation: drv, Priority: 9})
	answer, err := c.FetchBuilds(ctx, []string{coordinatortest.System}, 2, time.Hour)
	builds := answer.Builds
	f.Must(err)
	want := []daemon.Allocation{{UUID: urgent, Derivation: drv, Priority: 9}, {UUID: f.build, Derivation: f.Derivation("hello")}}
	if diff := cmp.Diff(want, builds); diff != "" {
		t.Fatalf("builds (-want +got)\n%s", diff)
	}

	f.Must(c.ReleaseBuild(ctx, f.build))
	if state := f.State(f.build); state != daemon.Ready {
		t.Errorf("after the release: got %s, want ready", state)
	}
	f.Given(f.agent, 2)
	input := f.Output(f.Derivation("input"), "out")
	f.Must(c.ReportSetupFailure(ctx, f.build, daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{input}}))
	f.Must(c.ReportStart(ctx, urgent))
	if state := f.State(urgent); state != daemon.Started {
		t.Errorf("after the start: got %s, want started", state)
	}

	var log bytes.Buffer
	z := gzip.NewWriter(&log)
	z.Write([]byte("the log\n"))
	f.Must(z.Close())
	sent := bytes.Clone(log.Bytes())
	f.Must(c.SendLog(ctx, urgent, &log, int64(log.Len())))
	kept, err := os.ReadFile(f.Logs.File(urgent))
	f.Must(err)
	if !bytes.Equal(sent, kept) {
		t.Errorf("the log was not kept as it was sent")
	}

	result := daemon.Result{Success: true, Ended: f.Clock.Now(), Outputs: []daemon.Output{
		{Name: "out", Hash: "sha256:x", Size: 7, References: []storepath.Path{input}}}}
	for range 2 {
		f.Must(c.ReportResult(ctx, urgent, result))
	}
	got, err := f.Coordinator.Build(ctx, urgent)
	f.Must(err)
	result.Outputs[0].Path = f.Output(drv, "out")
	if diff := cmp.Diff(result.Outputs, got.Outputs); diff != "" || got.State != daemon.Succeeded {
		t.Errorf("%s (-want +got)\n%s", got.State, diff)
	}
	failed, err := f.Coordinator.Build(ctx, f.build)
	f.Must(err)
	wantFailures := []daemon.SetupFailure{{Agent: f.agent, Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{input}, Time: f.Clock.Now()}}
	if diff := cmp.Diff(wantFailures, failed.SetupFailures); diff != "" {
		t.Errorf("setup failures (-want +got)\n%s", diff)
	}
}

func TestTheClientHearsWhyItIsRefused(t *testing.T) {
	f := open(t)
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"a wrong password", agentapi.NewClient(f.url, f.agent, "wrong").ReportStart(t.Context(), f.build),
			http.StatusForbidden, wire.AccessDenied},
		{"another's build", agentapi.NewClient(f.url, f.agent, f.password).ReportStart(t.Context(), f.foreign),
			http.StatusForbidden, wire.AccessDenied},
		{"no build", agentapi.NewClient(f.url, f.agent, f.password).ReportStart(t.Context(), coordinatortest.UUID(9)),
			http.StatusNotFound, "there is no build " + coordinatortest.UUID(9)},
	} {
		var status *wire.StatusError
		if !errors.As(tt.err, &status) || status.Status != tt.status || status.Code != tt.code {
			t.Errorf("%s: got the error %#v, want %d %s", tt.name, tt.err, tt.status, tt.code)
		}
	}
}
