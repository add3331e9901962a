package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/lzip"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// gunzip is the text of compressed data, which must be whole.
func gunzip(t *testing.T, data []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newJob is a build of the agent's whose builder has written something.
func newJob(t *testing.T, a *Agent, text string) *job {
	t.Helper()
	j := &job{Agent: a, b: daemon.Allocation{UUID: build(1), Derivation: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello.drv"}}
	if err := errors.Join(j.open(), j.begin()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(j, text); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestALogIsThatOfTheLastAttempt(t *testing.T) {
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	a.run, a.work = t.Context(), t.Context()
	j := newJob(t, a, strings.Repeat("a first and longer attempt\n", 100_000))
	if err := j.begin(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(j, "the second attempt\n")
	if err := j.deliver(outcome{}); err != nil {
		t.Fatal(err)
	}
	if got := f.bodies["POST /build/"+build(1)+"/live-log"]; got != "the second attempt\n" {
		t.Errorf("got %q, want the second attempt", got)
	}
	j.end(nil)
	if _, err := os.Stat(filepath.Join(a.SpoolDir, build(1))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestDeliverSendsTheLogAndThenTheResult(t *testing.T) {
	const out = storepath.Path("/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello")
	success := daemon.Result{Success: true, Ended: time.Date(2025, 8, 13, 0, 0, 0, 0, time.UTC), Outputs: []daemon.Output{
		{Name: "out", Path: out, Hash: "sha256:x", Size: 120, References: []storepath.Path{out}}}}
	livePath, logPath, resultPath := "POST /build/"+build(1)+"/live-log", "PUT /build/"+build(1)+"/log/gzip", "PUT /build/"+build(1)
	refusal := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) }
	}
	twice := func(first http.HandlerFunc) func() http.HandlerFunc {
		return func() http.HandlerFunc {
			n := 0
			return func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 1 {
					first(w, r)
				}
			}
		}
	}
	always := func(h http.HandlerFunc) func() http.HandlerFunc { return func() http.HandlerFunc { return h } }
	for _, test := range []struct {
		name    string
		log     func() http.HandlerFunc // how the coordinator answers; nil for well
		result  func() http.HandlerFunc
		reports []string
		status  int // of the refusal that deliver returns; zero for none
	}{
		{"when all is well", nil, nil, []string{livePath, logPath, resultPath}, 0},
		{"when the log is lost once", twice(lose), nil, []string{livePath, logPath, logPath, resultPath}, 0},
		{"when the coordinator is away once", nil, twice(refusal(503, "stopping")), []string{livePath, logPath, resultPath, resultPath}, 0},
		{"when the log is refused", always(refusal(413, "too large")), nil, []string{livePath, logPath, resultPath}, 0},
		{"when the result is there already", nil, always(refusal(400, wire.AlreadyProcessed)), []string{livePath, logPath, resultPath}, 0},
		{"when the build is not ours any more", nil, always(refusal(403, wire.AccessDenied)), []string{livePath, logPath, resultPath}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.answer[livePath] = refusal(404, "no such route") // as others than tbfg
			for path, handler := range map[string]func() http.HandlerFunc{logPath: test.log, resultPath: test.result} {
				if handler != nil {
					f.answer[path] = handler()
				}
			}
			a := f.newAgent(t.Output(), nil)
			a.run, a.work = t.Context(), t.Context()
			j := newJob(t, a, "hello from the builder\n")
			j.send(false)
			err := j.deliver(outcome{result: success})
			j.stop()
			var status *wire.StatusError
			switch {
			case test.status == 0 && err != nil:
				t.Errorf("got %v, want success", err)
			case test.status != 0 && (!errors.As(err, &status) || status.Status != test.status):
				t.Errorf("got %v, want a refusal with status %d", err, test.status)
			}
			if !slices.Equal(f.reports, test.reports) {
				t.Errorf("got the reports %q, want %q", f.reports, test.reports)
			}
			if got := gunzip(t, []byte(f.bodies[logPath])); got != "hello from the builder\n" {
				t.Errorf("got the log %q", got)
			}
			var result wire.Result
			if err := json.Unmarshal([]byte(f.bodies[resultPath]), &result); err != nil {
				t.Fatal(err)
			}
			if result.Result != wire.Success || len(result.Outputs) != 1 || result.Outputs[0].Size != 120 || !result.Ended.Equal(success.Ended) {
				t.Errorf("got the result %+v", result)
			}
		})
	}
}

// TestACoordinatorOfTheOriginalsDialectGetsAll has a coordinator that knows the
// routes of the Guix Build Coordinator and nothing else.
func TestACoordinatorOfTheOriginalsDialectGetsAll(t *testing.T) {
	f := newFake(t)
	for n := 1; n <= 2; n++ {
		for _, route := range []string{"POST /build/" + build(n) + "/live-log", "HEAD /build/" + build(n) + "/output/out/partial"} {
			f.answer[route] = http.NotFound
		}
	}
	a := f.newAgent(t.Output(), nil)
	a.run, a.work = t.Context(), t.Context()
	file := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(file, []byte("what was built\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sum, size, err := nar.Hash(file)
	if err != nil {
		t.Fatal(err)
	}
	o := daemon.Output{Name: "out", Path: storepath.Path(file), Hash: "sha256:" + base32.Encode(sum[:]), Size: size}
	for n := 1; n <= 2; n++ {
		j := &job{Agent: a, b: daemon.Allocation{UUID: build(n), Derivation: "/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello.drv", KeepOutput: true}}
		if err := errors.Join(j.open(), j.begin()); err != nil {
			t.Fatal(err)
		}
		j.send(false)
		io.WriteString(j, "hello from the builder\n")
		out := outcome{result: daemon.Result{Success: true, Ended: now(), Outputs: []daemon.Output{o}}}
		if err := j.deliver(out); err != nil {
			t.Fatal(err)
		}
		j.end(nil)
		path := "/build/" + build(n)
		if got := gunzip(t, []byte(f.bodies["PUT "+path+"/log/gzip"])); got != "hello from the builder\n" {
			t.Errorf("got the log %q", got)
		}
		archive, err := io.ReadAll(lzip.NewReader(strings.NewReader(f.bodies["PUT "+path+"/output/out"])))
		if got := sha256.Sum256(archive); err != nil || got != sum {
			t.Errorf("got an output of %d bytes, %v, with another hash", len(archive), err)
		}
	}
	want := []string{
		"POST /build/" + build(1) + "/live-log", // only once
		"PUT /build/" + build(1) + "/log/gzip",
		"HEAD /build/" + build(1) + "/output/out/partial",
		"PUT /build/" + build(1) + "/output/out",
		"PUT /build/" + build(1),
		"PUT /build/" + build(2) + "/log/gzip",
		"HEAD /build/" + build(2) + "/output/out/partial",
		"PUT /build/" + build(2) + "/output/out",
		"PUT /build/" + build(2),
	}
	if !slices.Equal(f.reports, want) {
		t.Errorf("got the reports %q, want %q", f.reports, want)
	}
}

func TestASetupFailureIsDeliveredWithoutALog(t *testing.T) {
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	a.run, a.work = t.Context(), t.Context()
	missing := []storepath.Path{"/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-hello"}
	j := &job{Agent: a, b: daemon.Allocation{UUID: build(1)}}
	err := j.deliver(outcome{setup: &daemon.SetupFailure{Reason: daemon.MissingInputs, MissingInputs: missing}})
	path := "POST /build/" + build(1) + "/report-setup-failure"
	if err != nil || !slices.Equal(f.reports, []string{path}) {
		t.Fatalf("got %v, %q, want one report", err, f.reports)
	}
	var got wire.SetupFailure
	if err := json.Unmarshal([]byte(f.bodies[path]), &got); err != nil || got.Reason != "missing_inputs" ||
		!slices.Equal(got.MissingInputs, []string{string(missing[0])}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestABuildIsTriedUntilTheAgentStops(t *testing.T) {
	f := newFake(t)
	var log record
	a := f.newAgent(&log, nil) // there is no guix-daemon
	ctx, cancel := context.WithCancelCause(t.Context())
	a.run, a.work = ctx, t.Context()
	ended := make(chan error, 1)
	j := newJob(t, a, "")
	defer j.stop()
	go func() {
		_, err := j.persist(t.Context())
		ended <- err
	}()
	f.wait("a second attempt", func() bool {
		log.mu.Lock()
		defer log.mu.Unlock()
		return strings.Count(log.buf.String(), "no guix-daemon listens") >= 2
	})
	cancel(errStopping)
	if err := <-ended; !errors.Is(err, errStopping) {
		t.Errorf("got %v, want %v", err, errStopping)
	}
}

func TestReasonsAreTheDaemonsWords(t *testing.T) {
	other := &guixdaemon.Error{Message: "build of `/gnu/store/x.drv' failed", Status: 100}
	for _, test := range []struct {
		name    string
		failure guixdaemon.Failure
		said    string
		err     *guixdaemon.Error
		want    string
	}{
		{"what it said", guixdaemon.Failure{Reason: guixdaemon.BuildFailed}, "builder for x failed with exit code 3\n", other,
			"builder for x failed with exit code 3"},
		{"the error when it said nothing", guixdaemon.Failure{}, " \n", other, other.Message},
		{"a timeout in the trace", guixdaemon.Failure{Reason: guixdaemon.BuildTimedOut}, "timed out\n", other, "timeout: timed out"},
		{"a timeout in the error", guixdaemon.Failure{}, "", &guixdaemon.Error{Message: "too slow", Status: guixdaemon.StatusTimeout},
			"timeout: too slow"},
		{"hashes, which only the trace has", guixdaemon.Failure{Reason: guixdaemon.HashMismatch, Text: "expected sha256 hash a, got b"},
			"hash mismatch for x\n", other, "hash mismatch for x\nexpected sha256 hash a, got b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := reason(test.failure, tail(test.said), test.err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestATailIsTheEnd(t *testing.T) {
	var long tail
	for range 500 {
		long.add([]byte("0123456789"))
	}
	long.add([]byte("the end"))
	if len(long) != maxTail || !strings.HasSuffix(string(long), "9the end") {
		t.Errorf("got %d bytes, ending in %q", len(long), long[len(long)-20:])
	}
}
