package guixdaemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// An account is what a build's log said.
type account struct {
	trace    Trace
	log      string         // of all builders
	logs     map[int]string // of each
	text     string         // of the daemon
	started  []Started
	failures []Failure
	events   []string // the names of all
	onLog    func()   // called after builders' output came
}

// follow makes c keep an account of its builds.
func (m *machine) follow(t *testing.T, c *Conn, o Options) *account {
	t.Helper()
	o.PrintBuildTrace, o.MultiplexedBuildOutput = true, c.Multiplexes()
	return m.followAs(t, c, o)
}

// followAs is follow with exactly the options o.
func (m *machine) followAs(t *testing.T, c *Conn, o Options) *account {
	t.Helper()
	if err := c.SetOptions(m.ctx(t), o); err != nil {
		t.Fatal(err)
	}
	a := &account{logs: make(map[int]string)}
	a.trace = Trace{
		Plain: !o.MultiplexedBuildOutput,
		BuildLog: func(pid int, p []byte) error {
			a.log += string(p)
			a.logs[pid] += string(p)
			if a.onLog != nil {
				a.onLog()
			}
			return nil
		},
		Text: func(p []byte) error { a.text += string(p); return nil },
		Event: func(e Event) error {
			a.events = append(a.events, e.Name)
			if s, ok := e.Started(); ok {
				a.started = append(a.started, s)
			}
			if f, ok := e.Failure(); ok {
				a.failures = append(a.failures, f)
			}
			return nil
		},
	}
	c.SetLog(&a.trace)
	return a
}

func build(ctx context.Context, c *Conn, drv storepath.Path) error {
	return c.Build(ctx, []string{string(drv)}, Normal)
}

func TestRealDaemonBuilds(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)
	a := m.follow(t, c, Options{})
	drv, out := m.derivation(t, c, "good", "echo one; echo two >&2; printf 'caf\\xc3\\n@ build-failed me\\nend'; echo $0 $BASH > $out", nil)

	if got, err := c.QueryDerivationOutputs(ctx, drv); !slices.Equal(got, []storepath.Path{out}) || err != nil {
		t.Errorf("query-derivation-outputs: got %v, %v, want %s", got, err, out)
	}
	if err := build(ctx, c, drv); err != nil {
		t.Fatal(err)
	}
	if want := "one\ntwo\ncaf\xc3\n@ build-failed me\nend"; a.log != want {
		t.Errorf("the builder's output: got %q, want %q", a.log, want)
	}
	if diff := cmp.Diff([]string{"build-started", "build-succeeded"}, a.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(a.started) != 1 || a.logs[a.started[0].PID] != a.log || a.started[0].Derivation != string(drv) || a.started[0].PID == 0 ||
		!strings.Contains(a.started[0].LogFile, drv.Base()[2:]) {
		t.Errorf("started: got %+v", a.started)
	}

	info, err := c.QueryPathInfo(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	if shell := m.addShell(t, c); info.Deriver != drv || !slices.Equal(info.References, []storepath.Path{shell}) {
		t.Errorf("the output: got %+v, want deriver %s and reference %s", info, drv, shell)
	}
	if m.local {
		sum, size, err := nar.Hash(m.root + string(out))
		if err != nil || info.NarHash != sum || info.NarSize != uint64(size) {
			t.Errorf("the output: got %x, %d bytes, want %x, %d, %v", info.NarHash, info.NarSize, sum, size, err)
		}
	}

	a.events = nil
	if err := build(ctx, c, drv); err != nil || len(a.events) > 0 {
		t.Errorf("once more: got %v, %v, want nothing to do", a.events, err)
	}
	if err := c.Build(ctx, []string{string(drv)}, Check); err != nil || !slices.Contains(a.events, "build-started") {
		t.Errorf("check: got %v, %v, want the build to be repeated", a.events, err)
	}
	if err := c.Build(ctx, []string{string(drv) + "!out"}, Normal); err != nil {
		t.Errorf("one output: %v", err)
	}
}

func TestRealDaemonBuildsTwoAtOnce(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)
	a := m.follow(t, c, Options{MaxBuildJobs: 2, KeepGoing: true})
	script := "for i in 1 2 3; do echo $name $i; done; echo > $out"
	var things []string
	for _, name := range []string{"left", "right"} {
		drv, _ := m.derivation(t, c, name, script, func(d *derivation.Derivation) {
			d.Env = append(d.Env, derivation.EnvVar{Name: "name", Value: name})
		})
		things = append(things, string(drv))
	}
	if err := c.Build(ctx, things, Normal); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.started {
		name := storepath.Path(strings.TrimSuffix(s.Derivation, ".drv")).Name()
		if want := fmt.Sprintf("%[1]s 1\n%[1]s 2\n%[1]s 3\n", name); a.logs[s.PID] != want {
			t.Errorf("output of %s: got %q, want %q", name, a.logs[s.PID], want)
		}
	}
	if len(a.started) != 2 {
		t.Errorf("started: got %+v, want two", a.started)
	}
}

// What daemons do that cannot multiplex, younger ones do when not told to.
func TestRealDaemonWithoutMultiplexing(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)
	a := m.followAs(t, c, Options{PrintBuildTrace: true})
	drv, _ := m.derivation(t, c, "plain", "echo one; echo @ two; exit 3", nil)
	if err := build(ctx, c, drv); err == nil {
		t.Error("succeeded")
	}
	if diff := cmp.Diff([]string{"build-started", "build-failed"}, a.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(a.log, "one\n@ two\n") || !strings.Contains(a.log, "failed with exit code 3") || a.text != "" {
		t.Errorf("got log %q and text %q, want all text in the log", a.log, a.text)
	}
}

func TestRealDaemonReportsFailures(t *testing.T) {
	m := realDaemon(t)
	blocking := "echo waiting; exec 3<> <(:); read -u 3"
	for name, test := range map[string]struct {
		options  Options
		script   string
		change   func(*derivation.Derivation)
		status   uint64
		reasons  []Reason
		contains string // in the failures' text or the daemon's
		log      string // in builders' output
	}{
		"exit code": {
			script: "echo before; exit 7", status: StatusFailed,
			reasons: []Reason{BuildFailed}, contains: "failed with exit code 7",
		},
		"no output": {
			script: ":", status: StatusOther,
			reasons: []Reason{BuildFailed}, contains: "failed to produce output path",
		},
		"silence": {
			options: Options{MaxSilentTime: time.Second}, script: blocking, status: StatusTimeout,
			reasons: []Reason{BuildTimedOut}, contains: "timed out after 1 seconds of silence",
		},
		"timeout": {
			options: Options{Timeout: time.Second}, script: blocking, status: StatusTimeout,
			reasons: []Reason{BuildTimedOut}, contains: "timed out after",
		},
		"another system": {
			script: ":", status: StatusFailed,
			change:  func(d *derivation.Derivation) { d.System = "i586-gnu" },
			reasons: []Reason{BuildFailed}, contains: "failed with exit code 1",
			log: "@ unsupported-platform",
		},
		"hash mismatch": {
			script: "echo unexpected > $out", status: StatusOther,
			change: func(d *derivation.Derivation) {
				sum := sha256.Sum256([]byte(m.run))
				d.Outputs[0].HashAlgo, d.Outputs[0].Hash = "sha256", hex.EncodeToString(sum[:])
			},
			reasons: []Reason{HashMismatch, BuildFailed}, contains: "expected sha256 hash ",
		},
		"another result in another round": {
			options: Options{Rounds: 2}, script: "echo $EPOCHREALTIME > $out",
			status: StatusOther, reasons: []Reason{BuildFailed}, contains: "differs from previous round",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, ctx := m.dial(t), m.ctx(t)
			a := m.follow(t, c, test.options)
			drv, out := m.derivation(t, c, strings.ReplaceAll(name, " ", "-"), test.script, test.change)
			err := build(ctx, c, drv)
			var said *Error
			if !errors.As(err, &said) || said.Status != test.status || !strings.Contains(said.Message, string(drv)) {
				t.Errorf("got %v, want an Error of status %d", err, test.status)
			}
			var reasons []Reason
			words := a.text
			for _, f := range a.failures {
				reasons = append(reasons, f.Reason)
				words += f.Text
				if f.Item != string(drv) && (f.Reason != HashMismatch || f.Item != string(out)) {
					t.Errorf("a failure of %s", f.Item)
				}
			}
			if diff := cmp.Diff(test.reasons, reasons); diff != "" || !strings.Contains(words, test.contains) {
				t.Errorf("the reasons (-want +got):\n%s%+v, %q, want %q", diff, a.failures, a.text, test.contains)
			}
			if !strings.Contains(a.log, test.log) {
				t.Errorf("builders' output: got %q, want %q", a.log, test.log)
			}
			// The connection serves on.
			if valid, err := c.IsValidPath(ctx, drv); !valid || err != nil {
				t.Errorf("the next operation: %v, %v", valid, err)
			}
			t.Logf("%v %+v %q", err, a.failures, a.log)
		})
	}
}

func TestRealDaemonChecks(t *testing.T) {
	m := realDaemon(t)
	c, ctx := m.dial(t), m.ctx(t)
	a := m.follow(t, c, Options{})
	drv, _ := m.derivation(t, c, "random", "echo $EPOCHREALTIME > $out", nil)
	if err := build(ctx, c, drv); err != nil {
		t.Fatal(err)
	}
	err := c.Build(ctx, []string{string(drv)}, Check)
	var said *Error
	if !errors.As(err, &said) || said.Status != StatusOther || !strings.Contains(said.Message, "may not be deterministic") {
		t.Errorf("got %#v, want an Error of status 1 about a difference", err)
	}
	t.Logf("%v %v", err, a.events)
}

func TestRealDaemonKillsACancelledBuild(t *testing.T) {
	m := realDaemon(t)
	keep := m.dial(t)
	drv, _ := m.derivation(t, keep, "endless", "echo waiting; exec 3<> <(:); read -u 3", nil)

	// The second time shows that the first builder and the daemon's locks
	// on its outputs are gone.
	for range 2 {
		c := m.dial(t)
		a := m.follow(t, c, Options{})
		ctx, cancel := context.WithCancel(m.ctx(t))
		visible := false
		a.onLog = func() {
			// The output is here while the builder still runs, for it never ends.
			_, err := os.Stat(fmt.Sprintf("/proc/%d", a.started[0].PID))
			visible = m.local && err == nil
			cancel()
		}
		if err := build(ctx, c, drv); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		if a.log != "waiting\n" {
			t.Errorf("the builder's output: got %q", a.log)
		}
		begin := time.Now()
		if visible {
			m.eventually(t, "the builder is gone", func() bool {
				_, err := os.Stat(fmt.Sprintf("/proc/%d", a.started[0].PID))
				return err != nil
			})
		}
		t.Logf("process seen: %v, gone %v after the cancellation", visible, time.Since(begin))
	}
}
