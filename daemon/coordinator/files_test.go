package coordinator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/nar"

	"github.com/klauspost/compress/gzip"
)

// logOf is a build's log as people read it; empty if there is none.
func logOf(t *testing.T, f *coordinatortest.Farm, build string) string {
	t.Helper()
	file, err := os.Open(f.Logs.File(build))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	f.Must(err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	f.Must(err)
	text, err := io.ReadAll(z)
	f.Must(err)
	return string(text)
}

func TestChunksOfLogsAreForWhoHoldsTheBuild(t *testing.T) {
	f := coordinatortest.Open(t)
	agent, _ := f.Joined("bedok")
	other, _ := f.Joined("other")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	add := func(agent, uuid string, chunk coordinator.LogChunk, text string) daemon.Code {
		_, err := f.AppendLog(t.Context(), agent, uuid, chunk, strings.NewReader(text))
		return daemon.CodeOf(err)
	}
	for who, uuid := range map[string]string{other: build, agent: "7bdd2249-1214-431a-aa61-de4d907f1b32"} {
		if code := add(who, uuid, coordinator.LogChunk{}, "x"); code != daemon.Denied {
			t.Errorf("%s on %s: got the code %q, want it denied", who, uuid, code)
		}
		if _, err := f.LogSize(t.Context(), who, uuid); daemon.CodeOf(err) != daemon.Denied {
			t.Errorf("%s asks about %s: got %v", who, uuid, err)
		}
	}
	if code := add(agent, build, coordinator.LogChunk{Restart: true}, "first attempt"); code != "" {
		t.Errorf("a first chunk: got the code %q", code)
	}
	if code := add(agent, build, coordinator.LogChunk{Restart: true}, "second "); code != "" {
		t.Errorf("a new attempt: got the code %q", code)
	}
	if code := add(agent, build, coordinator.LogChunk{Offset: 9}, "x"); code != daemon.Conflict {
		t.Errorf("a gap: got the code %q", code)
	}
	// What arrived of a broken chunk stays.
	broken := io.MultiReader(strings.NewReader("att"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := f.AppendLog(t.Context(), agent, build, coordinator.LogChunk{Offset: 7}, broken); daemon.CodeOf(err) != daemon.Invalid {
		t.Errorf("a broken chunk: got %v", err)
	}
	if size, err := f.LogSize(t.Context(), agent, build); err != nil || size != 10 {
		t.Errorf("got the size %d, %v, want 10", size, err)
	}
	if code := add(agent, build, coordinator.LogChunk{Offset: 10, Final: true, Size: 14}, "empt"); code != "" {
		t.Errorf("the last chunk: got the code %q", code)
	}
	f.Ended(agent, build, true)
	if got := logOf(t, f, build); got != "second attempt" {
		t.Errorf("got the log %q", got)
	}
	if code := add(agent, build, coordinator.LogChunk{Restart: true}, "late"); code != daemon.Processed {
		t.Errorf("after the end: got the code %q", code)
	}
}

func TestABuildsEndEndsItsLog(t *testing.T) {
	for name, end := range map[string]func(f *coordinatortest.Farm, agent, build string) error{
		"canceled": func(f *coordinatortest.Farm, _, build string) error {
			_, err := f.CancelBuild(t.Context(), build, false)
			return err
		},
		"canceled with others": func(f *coordinatortest.Farm, _, build string) error {
			_, err := f.CancelBuilds(t.Context(), coordinator.CancelFilter{})
			return err
		},
		"failed without the rest of the log": func(f *coordinatortest.Farm, agent, build string) error {
			return f.ReportResult(t.Context(), agent, build, daemon.Result{Ended: f.Clock.Now()})
		},
		"given up with its agent": func(f *coordinatortest.Farm, _, build string) error {
			f.Clock.Advance(2 * time.Hour)
			return f.EndLeases(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.Lease, c.MaxLosses = time.Hour, 1 })
			agent, _ := f.Joined("bedok")
			build := f.Added(f.Derivation("hello"))
			f.Given(agent, 1)
			_, err := f.AppendLog(t.Context(), agent, build, coordinator.LogChunk{}, strings.NewReader("as far as it got"))
			f.Must(err)
			r, err := f.Logs.Follow(t.Context(), build)
			f.Must(err)
			defer r.Close()
			f.Must(end(f, agent, build))
			if text, err := io.ReadAll(r); err != nil || string(text) != "as far as it got" {
				t.Errorf("who follows gets %q, %v", text, err)
			}
			if got := logOf(t, f, build); got != "as far as it got" {
				t.Errorf("got the log %q", got)
			}
		})
	}
}

// archive is the NAR of a file, and its hash.
func archive(t *testing.T, content string) ([]byte, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := nar.Dump(&b, file); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return b.Bytes(), "sha256:" + base32.Encode(sum[:])
}

func TestOutputsAreWantedOrNot(t *testing.T) {
	for _, keep := range []bool{true, false} {
		f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepOutputs = keep })
		agent, _ := f.Joined("bedok")
		build := f.Added(f.Derivation("hello"))
		builds, err := f.FetchBuilds(t.Context(), agent, coordinator.Fetch{Systems: []string{coordinatortest.System}, Target: 1})
		if err != nil || len(builds) != 1 || builds[0].KeepOutput != keep {
			t.Fatalf("kept %v: got %+v, %v", keep, builds, err)
		}
		data, hash := archive(t, "what was built")
		// Who sends all the same, because he does not know, is let.
		f.Must(f.SaveOutput(t.Context(), agent, build, "out", outputs.Part{Hash: hash}, bytes.NewReader(data)))
		if m, err := f.Outputs.Meta(build, "out"); (err == nil) != keep || keep && m.Hash != hash {
			t.Errorf("kept %v: got %+v, %v", keep, m, err)
		}
	}
}

func TestOutputsGoWithTheirBuild(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepOutputs, c.KeepFor = true, time.Hour })
	agent, _ := f.Joined("bedok")
	other, _ := f.Joined("other")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	data, hash := archive(t, "what was built")
	save := func(agent, build, name string, body io.Reader) daemon.Code {
		return daemon.CodeOf(f.SaveOutput(t.Context(), agent, build, name, outputs.Part{}, body))
	}
	for _, tt := range []struct {
		agent, build, name string
		code               daemon.Code
	}{
		{other, build, "out", daemon.Denied},
		{agent, "7bdd2249-1214-431a-aa61-de4d907f1b32", "out", daemon.NotFound},
		{agent, build, "doc", daemon.NotFound},
		{agent, build, "../out", daemon.Invalid},
		{agent, build, "", daemon.Invalid},
	} {
		if got := save(tt.agent, tt.build, tt.name, bytes.NewReader(data)); got != tt.code {
			t.Errorf("%+v: got the code %q", tt, got)
		}
		if _, err := f.OutputSize(t.Context(), tt.agent, tt.build, tt.name); daemon.CodeOf(err) != tt.code {
			t.Errorf("how much of %+v: got %v", tt, err)
		}
	}
	if code := save(agent, build, "out", bytes.NewReader(data)); code != "" {
		t.Errorf("got the code %q", code)
	}
	report := func(hash string) error {
		return f.ReportResult(t.Context(), agent, build, daemon.Result{Success: true, Ended: f.Clock.Now(),
			Outputs: []daemon.Output{{Name: "out", Hash: hash, Size: int64(len(data))}}})
	}
	_, another := archive(t, "something else")
	if err := report(another); daemon.CodeOf(err) != daemon.Invalid {
		t.Errorf("a result with another hash: got %v", err)
	}
	f.Must(report(hash))
	if m, err := f.Outputs.Meta(build, "out"); err != nil || m.Hash != hash {
		t.Errorf("got %+v, %v", m, err)
	}
	f.Clock.Advance(2 * time.Hour)
	f.Must(f.ForgetOld(context.Background()))
	if _, err := f.Outputs.Meta(build, "out"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the build was forgotten: got %v", err)
	}
}

func TestPartsOfOutputsGoWhenTheBuildEnds(t *testing.T) {
	f := coordinatortest.OpenWith(t, func(c *coordinator.Config) { c.KeepOutputs = true })
	agent, _ := f.Joined("bedok")
	build := f.Added(f.Derivation("hello"))
	f.Given(agent, 1)
	data, _ := archive(t, "what was built")
	broken := io.MultiReader(bytes.NewReader(data[:50]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := f.SaveOutput(t.Context(), agent, build, "out", outputs.Part{}, broken); err == nil {
		t.Fatal("a broken upload was taken")
	}
	if size, err := f.OutputSize(t.Context(), agent, build, "out"); err != nil || size != 50 {
		t.Errorf("got %d bytes, %v, want 50", size, err)
	}
	f.Ended(agent, build, false)
	if _, err := f.OutputSize(t.Context(), agent, build, "out"); daemon.CodeOf(err) != daemon.NotFound {
		t.Errorf("after the end: got %v", err)
	}
}
