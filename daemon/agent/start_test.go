package agent

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func TestAStartIsReportedWhileTheBuildRuns(t *testing.T) {
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	path := "POST /build/" + build(1) + "/report-build-start"
	answer := make(chan struct{})
	f.answer[path] = func(http.ResponseWriter, *http.Request) { <-answer }
	ctx, s := a.reportStart(t.Context(), daemon.Allocation{UUID: build(1)})
	f.wait("the report", func() bool { return slices.Equal(f.reports, []string{path}) })
	if ctx.Err() != nil {
		t.Error("the build is stopped, want it to go on")
	}
	close(answer)
	if err := s.settle(); err != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v; want neither a refusal nor the build stopped", err, ctx.Err())
	}
}

func TestARefusedStartStopsTheBuild(t *testing.T) {
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	f.answer["POST /build/"+build(1)+"/report-build-start"] = func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, wire.AccessDenied)
	}
	ctx, s := a.reportStart(t.Context(), daemon.Allocation{UUID: build(1)})
	<-ctx.Done() // what the build sees
	var refusal *wire.StatusError
	if !errors.As(context.Cause(ctx), &refusal) || !errors.As(s.settle(), &refusal) {
		t.Errorf("got %v and %v, want the refusal twice", context.Cause(ctx), s.settle())
	}
}

// A build need not wait for a coordinator that is away: its result says that
// it began.
func TestAStartThatCannotBeReportedIsLeftOut(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	f.answer["POST /build/"+build(1)+"/report-build-start"] = lose
	ctx, s := a.reportStart(t.Context(), daemon.Allocation{UUID: build(1)})
	if err := s.settle(); err != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v; want neither a refusal nor the build stopped", err, ctx.Err())
	}
	f.drain() // the one that was given up
	n := 0
	f.set(func() { n = len(f.reports) })
	time.Sleep(2 * firstPause)
	f.set(func() {
		if len(f.reports) != n {
			t.Errorf("it goes on: %d reports and then %d", n, len(f.reports))
		}
	})
}
