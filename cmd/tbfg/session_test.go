package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/go-cmp/cmp"
)

// A session in testdata/sessions is what a person types and sees:
//
//	$ command        a command of ours; what it prints follows after "> ", what
//	                 it says on standard error after "2> ", and its exit status,
//	                 unless that is 0, as "[1]"
//	% verb …         something else that happens, see session.happen
//	# comment
//
// UUID1, UUID2, … stand for random UUIDs in the order in which they appear,
// PASSWORD for a new password, and HELLO, BROKEN, … for derivations.
func TestSessions(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("got the sessions %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newSession(t).play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("session (-want +got)\n%s", diff)
			}
		})
	}
}

type session struct {
	*coordinatortest.Farm
	t     *testing.T
	env   []string
	url   string
	names []string // pairs: what stands in the file, what that is
	uuids int
}

func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{Farm: coordinatortest.Open(t), t: t}
	keeper, err := collection.Open(collection.Config{Coordinator: s.Coordinator, System: coordinatortest.System, Log: slog.New(slog.NewTextHandler(s.Log, nil))})
	s.Must(err)
	t.Cleanup(func() { s.Must(keeper.Close()) })
	server := httptest.NewServer(clientapi.Handler(s.Coordinator, s.Stream(), coordinatortest.Operator{}, http.NotFoundHandler(), keeper.Routes()))
	t.Cleanup(server.Close)
	s.url = server.URL
	s.env = []string{"TBFG_COORDINATOR=" + server.URL}
	s.names = append(s.names, "DRVFILE", filepath.Join(t.TempDir(), "drvs"))
	broken := s.Derivation("broken-1.0")
	for name, drv := range map[string]storepath.Path{
		"HELLO":   s.Derivation("hello-2.12", s.Derivation("gcc-14.2")),
		"BROKEN":  broken,
		"BLOCKED": s.Derivation("blocked-3.1", broken),
		"TOP":     s.Derivation("a-package-with-a-very-long-name-4", s.Derivation("blocked-3.1", broken)),
		"DOC":     s.Make("doc-5", derivation.Derivation{Outputs: []derivation.Output{{Name: "doc"}, {Name: "out"}}}),
		"I686":    s.Make("old-6", derivation.Derivation{System: "i686-linux"}),
		"MISSING": s.missing("missing-7"),
	} {
		s.names = append(s.names, name, string(drv))
	}
	return s
}

// missing is a derivation that no server has.
func (s *session) missing(name string) storepath.Path {
	drv := s.Derivation(name)
	s.Offer(drv, nil)
	return drv
}

// play does what stands in a session and returns it as it went this time.
func (s *session) play(text string) string {
	s.t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch kind {
		case "#", "":
			out.WriteString(line)
		case "%":
			out.WriteString(line)
			s.happen(strings.Fields(s.actual(rest)))
		case "$":
			out.WriteString(line)
			out.WriteString(s.enter(rest))
		}
	}
	return out.String()
}

// enter runs a command line and returns what it prints.
func (s *session) enter(line string) string {
	s.t.Helper()
	stdin := ""
	if words, rest, ok := strings.Cut(line, " | "); ok { // only printf
		words = strings.TrimPrefix(words, "printf ")
		text, err := strconv.Unquote(words)
		s.Must(err)
		stdin, line = s.actual(text), rest
	}
	r := run(s.t, stdin, s.env, split(s.actual(line))...)
	var out strings.Builder
	for line := range strings.Lines(s.general(r.stdout)) {
		out.WriteString("> " + line)
	}
	for line := range strings.Lines(s.general(r.stderr)) {
		out.WriteString("2> " + line)
	}
	if r.status != 0 {
		fmt.Fprintf(&out, "[%d]\n", r.status)
	}
	return out.String()
}

// split splits a command line into words; ' quotes.
func split(line string) (words []string) {
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r != ' ' || quoted:
			word.WriteRune(r)
			begun = true
		case begun:
			words = append(words, word.String())
			word.Reset()
			begun = false
		}
	}
	return words
}

// actual replaces names by what they stand for.
func (s *session) actual(text string) string {
	for i := 0; i < len(s.names); i += 2 {
		text = regexp.MustCompile(`\b`+s.names[i]+`\b`).ReplaceAllLiteralString(text, s.names[i+1])
	}
	return text
}

var (
	uuidPattern     = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`)
	passwordPattern = regexp.MustCompile(`(new password: )[A-Za-z0-9_-]{40}\n`)
)

// general replaces what is different each time by names.
func (s *session) general(text string) string {
	for _, uuid := range uuidPattern.FindAllString(text, -1) {
		chosen := strings.HasPrefix(uuid, strings.TrimSuffix(coordinatortest.UUID(0), "000000000000"))
		if !chosen && !slices.Contains(s.names, uuid) {
			s.uuids++
			s.names = append(s.names, fmt.Sprint("UUID", s.uuids), uuid)
		}
	}
	for i := 0; i < len(s.names); i += 2 {
		text = strings.ReplaceAll(text, s.names[i+1], s.names[i])
	}
	text = passwordPattern.ReplaceAllString(text, "${1}PASSWORD\n")
	return strings.ReplaceAll(text, s.url, "http://COORDINATOR")
}

// happen does something to the farm:
//
//	fetch AGENT NUMBER SYSTEM…      an agent asks for builds
//	start|succeed|fail|missing AGENT BUILD   it reports
//	sql STATEMENT                    somebody uses sqlite3
//	write FILE DERIVATION…           somebody writes a file
//	hour                             it passes
func (s *session) happen(words []string) {
	s.t.Helper()
	ctx := s.t.Context()
	switch words[0] {
	case "fetch":
		n, err := strconv.Atoi(words[2])
		s.Must(err)
		_, err = s.FetchBuilds(ctx, words[1], coordinator.Fetch{Systems: words[3:], Target: n})
		s.Must(err)
	case "start":
		s.Must(s.ReportStart(ctx, words[1], words[2]))
	case "succeed":
		b, err := s.Coordinator.Build(ctx, words[2])
		s.Must(err)
		r := daemon.Result{Success: true, Ended: s.Clock.Now()}
		for _, o := range b.Outputs {
			r.Outputs = append(r.Outputs, daemon.Output{Name: o.Name, Hash: "sha256:" + strings.Repeat("0", 52), Size: 123456,
				References: []storepath.Path{o.Path}})
		}
		s.Must(s.ReportResult(ctx, words[1], words[2], r))
	case "fail":
		s.Must(s.ReportResult(ctx, words[1], words[2], daemon.Result{
			Reason: "builder for `broken' failed with exit code 1\nsee the log", Ended: s.Clock.Now()}))
	case "missing":
		s.Must(s.ReportSetupFailure(ctx, words[1], words[2], daemon.SetupFailure{
			Reason: daemon.MissingInputs, MissingInputs: []storepath.Path{s.Output(s.Derivation("gcc-14.2"), "out")}}))
	case "sql":
		s.Exec(strings.Join(words[1:], " "))
	case "write":
		s.Must(os.WriteFile(words[1], []byte(strings.Join(words[2:], "\n")), 0o644))
	case "hour":
		s.Clock.Advance(time.Hour)
	default:
		s.t.Fatalf("nothing happens like %q", words[0])
	}
}
