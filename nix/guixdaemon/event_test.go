package guixdaemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailure(t *testing.T) {
	for _, test := range []struct {
		line string
		want Failure
		none bool
	}{
		{line: "@ build-failed /d.drv - 1 builder for `/d.drv' failed with exit code 2",
			want: Failure{BuildFailed, "/d.drv", "builder for `/d.drv' failed with exit code 2"}},
		{line: "@ build-failed /d.drv - timeout", want: Failure{BuildTimedOut, "/d.drv", ""}},
		{line: "@ build-failed /d.drv - cached", want: Failure{BuildCached, "/d.drv", ""}},
		{line: "@ build-failed /d.drv", want: Failure{BuildFailed, "/d.drv", ""}},
		{line: "@ hook-failed /d.drv - 256 no machine", want: Failure{HookFailed, "/d.drv", "no machine"}},
		{line: "@ hash-mismatch /i sha256 aa bb", want: Failure{HashMismatch, "/i", "expected sha256 hash aa, got bb"}},
		{line: "@ unsupported-platform /d.drv riscv64-linux", want: Failure{UnsupportedPlatform, "/d.drv", "for riscv64-linux"}},
		{line: "@ substituter-failed /i 256 fetching path `/i'", want: Failure{SubstituterFailed, "/i", "fetching path `/i'"}},
		{line: "@ substituter-failed /i  fetching path `/i' (empty status)",
			want: Failure{SubstituterFailed, "/i", "fetching path `/i' (empty status)"}},
		{line: "@ substituter-failed /i timeout", want: Failure{SubstituterFailed, "/i", "timed out"}},
		{line: "@ build-failed", none: true},
		{line: "@ build-succeeded /d.drv -", none: true},
	} {
		event, ok := ParseEvent([]byte(test.line))
		if !ok || event.String() != test.line {
			t.Errorf("%s: parsed %v, %q", test.line, ok, event)
		}
		got, ok := event.Failure()
		if test.none {
			if ok {
				t.Errorf("%s: got %+v, want none", test.line, got)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", test.line, ok, diff)
		}
	}
}

func TestStarted(t *testing.T) {
	for _, test := range []struct {
		line string
		want Started
		ok   bool
	}{
		{"@ build-started /d.drv - x86_64-linux /log 42", Started{"/d.drv", "x86_64-linux", "/log", 42}, true},
		{"@ build-started /d.drv - x86_64-linux  42", Started{"/d.drv", "x86_64-linux", "", 42}, true},
		{"@ build-started /d.drv - x86_64-linux /log", Started{"/d.drv", "x86_64-linux", "/log", 0}, true},
		{"@ build-started /d.drv", Started{}, false},
		{"@ build-failed /d.drv - 1 a b", Started{}, false},
	} {
		event, _ := ParseEvent([]byte(test.line))
		if got, ok := event.Started(); got != test.want || ok != test.ok {
			t.Errorf("%s: got %+v, %v, want %+v, %v", test.line, got, ok, test.want, test.ok)
		}
	}
}
