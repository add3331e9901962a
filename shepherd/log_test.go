package shepherd

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logged is what a handler writes when do logs something at the time of the
// post, without the newline at its end.
func logged(t *testing.T, timestamps bool, do func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	h := NewLogHandler(&out, slog.LevelDebug, timestamps)
	do(slog.New(fixedTime{h}))
	text, ok := strings.CutSuffix(out.String(), "\n")
	if !ok {
		t.Fatalf("got %q, want a line", out.String())
	}
	return text
}

func TestLinesAreThoseOfThePost(t *testing.T) {
	const agent = "e092df28-3418-4f94-b7f0-a214b03291ee"
	for _, tt := range []struct {
		want string
		do   func(*slog.Logger)
	}{
		{"2025-08-13 00:00:00 (INFO ): starting agent " + agent, func(l *slog.Logger) { l.Info("starting agent " + agent) }},
		{"2025-08-13 00:00:00 (INFO ): connecting to coordinator http://localhost:8745",
			func(l *slog.Logger) { l.Info("connecting to coordinator http://localhost:8745") }},
		{"2025-08-13 00:00:00 (INFO ): running 0 threads, currently allocated 0 builds",
			func(l *slog.Logger) { l.Info(fmt.Sprintf("running %d threads, currently allocated %d builds", 0, 0)) }},
		{"2025-08-13 00:00:00 (WARN ): careful", func(l *slog.Logger) { l.Warn("careful") }},
		{"2025-08-13 00:00:00 (ERROR): broken", func(l *slog.Logger) { l.Error("broken") }},
		{"2025-08-13 00:00:00 (DEBUG): details", func(l *slog.Logger) { l.Debug("details") }},
	} {
		if diff := cmp.Diff(tt.want, logged(t, true, tt.do)); diff != "" {
			t.Errorf("line (-want +got)\n%s", diff)
		}
		_, bare, _ := strings.Cut(tt.want, " (")
		if diff := cmp.Diff("("+bare, logged(t, false, tt.do)); diff != "" {
			t.Errorf("line without its time (-want +got)\n%s", diff)
		}
	}
}

func TestAttributesFollowTheMessage(t *testing.T) {
	for _, tt := range []struct {
		want string
		do   func(*slog.Logger)
	}{
		{"(INFO ): m a=1 b=2s c=true d=1.5", func(l *slog.Logger) { l.Info("m", "a", 1, "b", 2*time.Second, "c", true, "d", 1.5) }},
		{`(INFO ): m a="two words" b="" c="\"" d=né`, func(l *slog.Logger) { l.Info("m", "a", "two words", "b", "", "c", `"`, "d", "né") }},
		{"(INFO ): m at=\"2025-08-13 00:00:00\"", func(l *slog.Logger) { l.Info("m", "at", postTime) }},
		{"(INFO ): m err=\"it broke: EOF\"", func(l *slog.Logger) { l.Info("m", "err", fmt.Errorf("it broke: %w", errors.New("EOF"))) }},
		{"(INFO ): m in=agent build=x", func(l *slog.Logger) { l.With("in", "agent").Info("m", "build", "x") }},
		{"(INFO ): m a=1 g.b=2 g.h.c=3", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("m", "c", 3) }},
		{"(INFO ): m g.a=1 g.b=2", func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", 1, "b", 2)) }},
		{"(INFO ): m a=1", func(l *slog.Logger) { l.Info("m", slog.Group("", "a", 1), slog.Group("empty")) }},
		{"(INFO ): m secret=hidden", func(l *slog.Logger) { l.Info("m", "secret", secret("password")) }},
		{"(INFO+2): m", func(l *slog.Logger) { l.Log(t.Context(), slog.LevelInfo+2, "m") }},
	} {
		if diff := cmp.Diff(tt.want, logged(t, false, tt.do)); diff != "" {
			t.Errorf("line (-want +got)\n%s", diff)
		}
	}
}

// secret is a value that says itself how it is logged.
type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("hidden") }

// Whatever is logged, it is one line, and no terminal takes it for an order.
func TestNothingForgesALine(t *testing.T) {
	const forged = "\n2025-08-13 00:00:00 (INFO ): build 7bdd2249 succeeded"
	for _, evil := range []string{forged, "\r" + forged, "\x1b[2J", "a\u0085b", "a\u2028b", "\u009b2J", "\x9b2J", "\xff\n", "\x00", "\x7f", "\u202eevil"} {
		for where, do := range map[string]func(*slog.Logger){
			"the message":   func(l *slog.Logger) { l.Info("message " + evil) },
			"a value":       func(l *slog.Logger) { l.Info("message", "key", evil) },
			"an error":      func(l *slog.Logger) { l.Info("message", "key", errors.New(evil)) },
			"a key":         func(l *slog.Logger) { l.Info("message", evil, "value") },
			"a group":       func(l *slog.Logger) { l.WithGroup(evil).Info("message", "key", "value") },
			"an attribute":  func(l *slog.Logger) { l.With("key", evil).Info("message") },
			"a list":        func(l *slog.Logger) { l.Info("message", "key", []string{evil}) },
			"a JSON object": func(l *slog.Logger) { l.Info("message", "key", map[string]string{evil: evil}) },
		} {
			line := logged(t, true, do)
			if !printable(line) || !strings.HasPrefix(line, "2025-08-13 00:00:00 (INFO ): message") {
				t.Errorf("%q in %s: got the line %q, want it printable", evil, where, line)
			}
		}
	}
}

func TestLevelsThatAreNotWanted(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	log := slog.New(NewLogHandler(&out, &level, false))
	log.Debug("one")
	level.Set(slog.LevelDebug) // can be changed while it runs
	log.Debug("two")
	level.Set(slog.LevelError)
	log.Warn("three")
	if diff := cmp.Diff("(DEBUG): two\n", out.String()); diff != "" {
		t.Errorf("log (-want +got)\n%s", diff)
	}
}

// What a handler owes to package slog.
func TestTheHandlerKeepsTheRules(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return NewLogHandler(&out, slog.LevelDebug, true)
	}, func(t *testing.T) map[string]any { return parseLine(t, strings.TrimSuffix(out.String(), "\n")) })
}

// parseLine reads a line back whose values have no blanks.
func parseLine(t *testing.T, line string) map[string]any {
	t.Helper()
	record := make(map[string]any)
	before, rest, ok := strings.Cut(line, "(INFO ): ")
	if !ok {
		t.Fatalf("got the line %q, want one with a level", line)
	}
	record[slog.LevelKey] = slog.LevelInfo
	if before != "" {
		record[slog.TimeKey] = before
	}
	words := strings.Split(rest, " ")
	record[slog.MessageKey] = words[0]
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		group := record
		for {
			name, rest, nested := strings.Cut(key, ".")
			if !nested {
				break
			}
			if group[name] == nil {
				group[name] = make(map[string]any)
			}
			group, key = group[name].(map[string]any), rest
		}
		group[key] = value
	}
	return record
}

func TestManyLogAtTheSameTime(t *testing.T) {
	var out bytes.Buffer // guarded by the handler
	log := slog.New(NewLogHandler(&out, slog.LevelInfo, true))
	var group sync.WaitGroup
	for i := range 20 {
		own := log.With("writer", i)
		group.Go(func() {
			for j := range 20 {
				own.Info("a line", "number", j)
			}
		})
	}
	group.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		if strings.Count(line, "a line writer=") != 1 {
			t.Errorf("got the line %q, want one whole one", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("got %d lines, want 400", len(lines))
	}
}
