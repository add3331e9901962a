package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compatible starts guix-build-coordinator, adds an agent and returns the
// options with which that connects.
func compatible(t *testing.T) (s *served, uuid string, options []string) {
	t.Helper()
	dir := t.TempDir()
	s = &served{dir: dir, pidFile: filepath.Join(dir, "pid")}
	s.process = start(t, nil, "guix-build-coordinator", "--pid-file="+s.pidFile, "--update-database",
		"--database=sqlite://"+filepath.Join(dir, "guix_build_coordinator.db"), "--agent-communication=http://127.0.0.1:0",
		"--client-communication=http://127.0.0.1:0", "--front-communication=http://127.0.0.1:0")
	s.ready(s.pidFile)
	s.agent, s.client = s.address("agent"), s.address("client")
	if r := s.coordinator("agent", "list"); r != (result{}) {
		t.Errorf("agent list: got %+v, want nothing", r)
	}
	uuid = strings.TrimSpace(s.coordinator("agent", "new").stdout)
	said := s.coordinator("agent", uuid, "password", "new").stdout
	if !regexp.MustCompile(`^new password: [A-Za-z0-9_-]{40}\n$`).MatchString(said) {
		t.Fatalf("got %q, want a new password", said)
	}
	passwordFile := filepath.Join(dir, "agent-bedok-passwd")
	if err := os.WriteFile(passwordFile, []byte(strings.TrimPrefix(said, "new password: ")), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, uuid, []string{"guix-build-coordinator-agent", "--coordinator=" + s.agent, "--uuid=" + uuid, "--password-file=" + passwordFile,
		"--derivation-substitute-urls=https://data.guix.gnu.org", "--non-derivation-substitute-urls=https://bordeaux.guix.gnu.org https://ci.guix.gnu.org",
		"--system=x86_64-linux", "--system=i686-linux", "--max-parallel-builds=4", "--max-parallel-uploads=2", "--max-allocated-builds=8",
		"--max-1min-load-average=6"}
}

// coordinator runs a command of guix-build-coordinator.
func (s *served) coordinator(args ...string) result {
	s.t.Helper()
	return run(s.t, "", []string{"TBFG_COORDINATOR=" + s.client}, append([]string{"guix-build-coordinator"}, args...)...)
}

func TestTheAgentSaysWhatThePostSays(t *testing.T) {
	s, uuid, options := compatible(t)
	p := start(t, nil, options...)
	p.says("starting 0 new builds")
	log := regexp.MustCompile(`(?m)^.*there is a guix-daemon.*\n`).ReplaceAllString(p.log.String(), "") // there may be none here
	got := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(log, "2025-08-13 00:00:00")
	want := `2025-08-13 00:00:00 (INFO ): starting agent ` + uuid + `
2025-08-13 00:00:00 (INFO ): connecting to coordinator ` + s.agent + `
2025-08-13 00:00:00 (INFO ): running 0 threads, currently allocated 0 builds
2025-08-13 00:00:00 (INFO ): starting 0 new builds
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got)\n%s", diff)
	}
	wantList := uuid + `: 
  description:
    active?: true
  0 allocated builds:
  requested systems:
   - i686-linux
   - x86_64-linux
  tags:
`
	if diff := cmp.Diff(wantList, s.coordinator("agent", "list").stdout); diff != "" {
		t.Errorf("agent list (-want +got)\n%s", diff)
	}
	if status := p.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("the coordinator: got the status %d, want 0", status)
	}
}

func TestAnAgentWithoutTimesInItsLog(t *testing.T) {
	_, _, options := compatible(t)
	p := start(t, nil, append(options, "--timestamp-log-output=false")...)
	p.says("starting 0 new builds")
	if !strings.HasPrefix(p.log.String(), "(INFO ): starting agent ") {
		t.Errorf("got %q, want lines without times", p.log.String())
	}
}

func TestAnAgentWithAWrongPasswordEnds(t *testing.T) {
	s, uuid, options := compatible(t)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, "", nil, append(options, "--password-file="+wrong, "--timestamp-log-output=false")...)
	want := `(INFO ): starting agent ` + uuid + `
(INFO ): connecting to coordinator ` + s.agent + `
guix-build-coordinator-agent: the coordinator ` + s.agent + ` refuses the agent ` + uuid + `: wrong agent UUID or password
`
	if diff := cmp.Diff(want, r.stderr); diff != "" || r.status != 1 || r.stdout != "" {
		t.Errorf("got the status %d, the output %q (-want +got)\n%s", r.status, r.stdout, diff)
	}
}

func TestAPasswordFileThatOthersCanRead(t *testing.T) {
	_, _, options := compatible(t)
	file := strings.TrimPrefix(options[3], "--password-file=")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, options...)
	p.says("starting 0 new builds") // all the same
	p.says(" (WARN ): " + file + " can be read by others (mode 0644); run: chmod 600 " + file + "\n")
	password, err := os.ReadFile(file)
	if err != nil || strings.Contains(p.log.String(), strings.TrimSpace(string(password))) {
		t.Errorf("the password stands in the log, %v", err)
	}
}

// An agent that starts before its coordinator waits for it.
func TestAnAgentWithoutACoordinatorStopsAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "tbfg", "agent", "run", "--config=/dev/null", "--coordinator=http://127.0.0.1:1",
		"--uuid=7bdd2249-1214-431a-aa61-000000000001", "--password-file="+file)
	p.says("cannot report to the coordinator; trying again until it works")
	if status := p.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
}

func TestANewPasswordIsHeededAtOnce(t *testing.T) {
	s, uuid, options := compatible(t)
	file := strings.TrimPrefix(options[3], "--password-file=")
	p := start(t, nil, options...)
	p.says("starting 0 new builds")
	password := strings.TrimPrefix(s.coordinator("agent", uuid, "password", "new").stdout, "new password: ")
	if err := os.WriteFile(file+".new", []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	p.says("the password has changed; going on with the new one")
	if strings.Contains(p.log.String(), strings.TrimSpace(password)) {
		t.Error("the password stands in the log")
	}
	if status := p.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
}
