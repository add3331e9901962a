package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator/coordinatortest"
	"codeberg.org/tbfg/tbfg/daemon/wire"

	"github.com/google/go-cmp/cmp"
)

// succeed runs a command in this process that must work.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	out, err := inProcess(t, args...)
	if err != nil {
		t.Fatalf("%q: got the error %v, want none", args, err)
	}
	return out
}

// clients serves a farm's API for clients.
func clients(t *testing.T, f *coordinatortest.Farm) (flag string) {
	t.Helper()
	server := httptest.NewServer(clientapi.Handler(f.Coordinator, f.Stream(), coordinatortest.Operator{}, http.NotFoundHandler()))
	t.Cleanup(server.Close)
	return "--coordinator=" + server.URL
}

func TestTokensAreMadeUnderBothNames(t *testing.T) {
	f := coordinatortest.Open(t)
	coordinator := clients(t, f)
	for i, args := range [][]string{
		{"tbfg", "token", "new", coordinator, "--description=cloud", "--expires-in=90m"},
		{"guix-build-coordinator", "dynamic-auth", "create-token", coordinator},
	} {
		out := succeed(t, args...)
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{40}\n$`).MatchString(out) {
			t.Errorf("%q: got %q, want a token on a line", args, out)
		}
		_, _, err := f.Enrol(t.Context(), fmt.Sprint("cloud-", i), strings.TrimSpace(out))
		f.Must(err)
	}
}

// Many derivations go in parallel, and still each reply stands in its line.
func TestManySubmissionsKeepTheirOrder(t *testing.T) {
	f := coordinatortest.Open(t)
	coordinator := clients(t, f)
	args, drvs := []string{"tbfg", "build", coordinator}, []string{}
	for n := range 200 {
		drvs = append(drvs, string(f.Derivation(fmt.Sprint("package-", n))))
	}
	lines := strings.Split(strings.TrimSpace(succeed(t, append(args, drvs...)...)), "\n")
	for i, line := range lines {
		uuid, ok := strings.CutPrefix(line, "build submitted as ")
		b, err := f.Coordinator.Build(t.Context(), uuid)
		if !ok || err != nil || string(b.Derivation) != drvs[i] {
			t.Fatalf("line %d: got %q of %s, %v, want %s", i+1, line, b.Derivation, err, drvs[i])
		}
	}
	if len(lines) != len(drvs) {
		t.Errorf("got %d lines, want %d", len(lines), len(drvs))
	}
}

func TestSubmissionsEndWithAFailure(t *testing.T) {
	f := coordinatortest.Open(t)
	coordinator := clients(t, f)
	args := []string{"tbfg", "build", coordinator}
	for n := range 200 {
		drv := f.Derivation(fmt.Sprint("package-", n))
		if n == 20 {
			f.Offer(drv, nil)
		}
		args = append(args, string(drv))
	}
	out, err := inProcess(t, args...)
	if err == nil || !strings.Contains(err.Error(), "no substitute server has") {
		t.Errorf("got the error %v, want that a derivation is nowhere", err)
	}
	builds := 0
	f.Must(clientapi.NewClient(strings.TrimPrefix(coordinator, "--coordinator=")).Builds(t.Context(), nil, 0, func(wire.Build) error {
		builds++
		return nil
	}))
	lines := strings.Count(out, "build submitted as ")
	if builds < 20 || builds > 100 || lines != builds {
		t.Errorf("got %d builds and %d lines, want as many lines as builds and most left out", builds, lines)
	}
}

func TestTheBarFills(t *testing.T) {
	for _, tt := range []struct {
		done int
		want string
	}{
		{0, "[                                        ] 0 of 5584 submitted"},
		{2792, "[####################                    ] 2792 of 5584 submitted"},
		{5584, "[########################################] 5584 of 5584 submitted"},
	} {
		if diff := cmp.Diff(tt.want, drawBar(tt.done, 5584)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestTheDatabaseIsBackedUp(t *testing.T) {
	state := t.TempDir()
	f := coordinatortest.At(t, filepath.Join(state, "tbfg.db"))
	defer f.Close()
	f.Added(f.Derivation("hello"))
	file := filepath.Join(t.TempDir(), "backup.db")
	if out := succeed(t, "tbfg", "backup", "--state-dir="+state, file); out != "" {
		t.Errorf("got the output %q, want none", out)
	}
	db, err := sql.Open("sqlite3", file)
	f.Must(err)
	defer db.Close()
	var builds int
	if err := db.QueryRow("SELECT count(*) FROM builds").Scan(&builds); err != nil || builds != 1 {
		t.Errorf("got %d builds in the backup, %v, want 1", builds, err)
	}
}

// errRefused is what an agent's run ends with when its password is wrong.
var errRefused = fmt.Errorf("the coordinator refuses: %w", &wire.StatusError{Status: http.StatusForbidden})

func TestAgentsEnrolOnce(t *testing.T) {
	f := coordinatortest.Open(t)
	server := httptest.NewServer(agentapi.Handler(f.Coordinator, http.NotFoundHandler()))
	defer server.Close()
	token := strings.TrimSpace(succeed(t, "tbfg", "token", "new", clients(t, f)))
	e := &enrolment{file: filepath.Join(t.TempDir(), "enrolment.json"), coordinator: server.URL, name: "cloud", token: func() (string, error) { return token, nil },
		log: slog.New(slog.DiscardHandler)}
	var runs []string
	run := func(ctx context.Context, uuid, password string) error {
		runs = append(runs, uuid)
		if f.Authenticate(ctx, uuid, password) != nil {
			return errRefused
		}
		return nil
	}
	f.Must(e.run(t.Context(), run))
	if info, err := os.Stat(e.file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got the file %v, %v, want one with the mode 0600", info, err)
	}
	f.Exec("DELETE FROM dynamic_auth_tokens") // is not needed any more
	f.Must(e.run(t.Context(), run))
	if len(runs) != 2 || runs[0] != runs[1] {
		t.Errorf("got runs as %q, want two as the same agent", runs)
	}

	// Refused without a token that opens, it gives up.
	f.Exec("DELETE FROM agent_passwords")
	var status *wire.StatusError
	if err := e.run(t.Context(), run); !errors.As(err, &status) || !strings.Contains(err.Error(), `refuses to enrol "cloud"`) {
		t.Errorf("got the error %v, want that it cannot enrol", err)
	}
	// With one it enrols again, as the same agent.
	token = strings.TrimSpace(succeed(t, "tbfg", "token", "new", clients(t, f)))
	runs = nil
	f.Must(e.run(t.Context(), run))
	if len(runs) != 2 || runs[0] != runs[1] {
		t.Errorf("got runs as %q, want a refused one and another as the same agent", runs)
	}
	// Nor is a file of use that makes no sense or is for another name.
	for _, text := range []string{"", "nonsense", `{"coordinator":"` + server.URL + `","name":"other","uuid":"x","password":"y"}`} {
		f.Must(os.WriteFile(e.file, []byte(text), 0o600))
		runs = nil
		if f.Must(e.run(t.Context(), run)); len(runs) != 1 {
			t.Errorf("with the file %q: got the runs %q, want one", text, runs)
		}
	}
	failed := errors.New("something else")
	if err := e.run(t.Context(), func(context.Context, string, string) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got the error %v, want %v", err, failed)
	}
}

func TestAnAgentWithATokenNeedsAName(t *testing.T) {
	_, err := inProcess(t, "guix-build-coordinator-agent", "--dynamic-auth-token=x")
	if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "--name") {
		t.Errorf("got the error %v, want that it needs a name", err)
	}
}

// Options say how an agent shows who it is, whatever the configuration says.
func TestAnAgentWithAPasswordNeedsNoToken(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(conf, []byte("[agent]\nname = \"large\"\ndynamic_auth_token_file = \"/nowhere/token\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, options := range map[string][]string{
		"/nowhere/password": {"--uuid=7bdd2249-1214-431a-aa61-000000000001", "--password-file=/nowhere/password"},
		"/nowhere/token":    {"--uuid=7bdd2249-1214-431a-aa61-000000000001"},
		"/nowhere/other":    {"--dynamic-auth-token-file=/nowhere/other"},
	} {
		_, err := inProcess(t, append([]string{"guix-build-coordinator-agent", "--config=" + conf}, options...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got the error %v, want %s in it", options, err, want)
		}
	}
}
