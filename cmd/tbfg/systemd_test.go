package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUnitsAreWhatSystemdUnderstands(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here: see tests/packages")
	}
	prefix := t.TempDir()
	install := exec.CommandContext(t.Context(), "make", "-C", "../..", "--no-print-directory", "units", "PREFIX="+prefix, "DESTDIR=")
	install.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make units: %v\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(prefix, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(prefix, "bin", "tbfg")); err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob(filepath.Join(prefix, "lib", "systemd", "system", "*"))
	if err != nil || len(units) != 5 {
		t.Fatalf("got the units %q, %v, want five", units, err)
	}
	// Whatever it says of ours is wrong; of the system's own it may say much.
	out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "tbfg") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
	for _, name := range namesOfUnits(t) {
		if _, err := os.Stat(filepath.Join(prefix, "lib", "systemd", "system", name)); err != nil {
			t.Errorf("docs/foreign-distro.md has a unit that is not installed: %v", err)
		}
	}
	for _, service := range []string{"tbfg.service", "tbfg-agent.service"} {
		text, err := os.ReadFile(filepath.Join(prefix, "lib", "systemd", "system", service))
		if err != nil || !strings.Contains(string(text), "\nExecStart="+prefix+"/bin/tbfg ") {
			t.Errorf("%s: got\n%s, %v\nwant the installed program to be started", service, text, err)
		}
	}
}

// namesOfUnits are the units that people are told of.
func namesOfUnits(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/foreign-distro.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`tbfg[a-z-]*\.(service|socket)`).FindAllString(string(text), -1)
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 5 {
		t.Fatalf("docs/foreign-distro.md has the units %q, want five", names)
	}
	return names
}

func TestTheUserIsWhatSystemdUnderstands(t *testing.T) {
	sysusers, err := exec.LookPath("systemd-sysusers")
	if err != nil || os.Getuid() != 0 {
		t.Skip("systemd-sysusers is not here, or not for others than root: see tests/packages")
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf, err := filepath.Abs("../../docs/systemd/sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), sysusers, "--root="+root, conf).CombinedOutput(); err != nil {
		t.Fatalf("systemd-sysusers: %v\n%s", err, out)
	}
	users, err := os.ReadFile(filepath.Join(root, "etc", "passwd"))
	if err != nil || !strings.HasPrefix(string(users), "tbfg:") || !strings.Contains(string(users), ":/var/lib/tbfg:") {
		t.Errorf("got the users %q, %v; want tbfg at home in its state directory", users, err)
	}
}

// A service manager hears that both programs are ready, how they are, and
// that they stop.
func TestServiceManagersAreTold(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	heard := func(want string) {
		t.Helper()
		for {
			message := make([]byte, 1000)
			n, err := conn.Read(message)
			if err != nil {
				t.Fatalf("it did not say %s: %v", want, err)
			}
			if strings.Contains("\n"+string(message[:n])+"\n", "\n"+want) {
				return
			}
		}
	}
	conf, password := filepath.Join(dir, "config.toml"), filepath.Join(dir, "password")
	for file, text := range map[string]string{conf: freePorts, password: "x\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=300000", "XDG_CACHE_HOME=" + dir}
	for _, tt := range []struct {
		status string
		args   []string
	}{
		{"STATUS=0 agents hold 0 builds\n", []string{"tbfg", "serve", "--config=" + conf, "--state-dir=" + filepath.Join(dir, "state")}},
		{"STATUS=idle\n", []string{"tbfg", "agent", "run", "--config=/dev/null", "--coordinator=http://127.0.0.1:1",
			"--uuid=7bdd2249-1214-431a-aa61-000000000001", "--password-file=" + password}},
	} {
		p := start(t, env, tt.args...)
		heard("READY=1\n")
		heard(tt.status)
		heard("WATCHDOG=1\n")
		heard("WATCHDOG=1\n")
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		heard("STOPPING=1\n")
		if status := p.end(); status != 0 {
			t.Errorf("%v: got the status %d, want 0", tt.args, status)
		}
	}
}

func TestAnAgentTellsHowItIs(t *testing.T) {
	dir := t.TempDir()
	s := serveFarm(t, dir, "--local-agent")
	id := s.localAgent()
	ask := func(args ...string) result {
		return run(t, "", []string{"XDG_CACHE_HOME=" + dir}, append([]string{"tbfg", "agent", "status"}, args...)...)
	}
	for _, args := range [][]string{{"--config=/dev/null", "--state-dir=" + dir}, {"--socket=" + filepath.Join(dir, "agent-spool", "agent.sock")}} {
		r := ask(args...)
		if r.status != 0 || !strings.HasPrefix(r.stdout, "agent "+id+": idle\n  coordinator:   "+s.agent+"\n  last contact:  20") ||
			!strings.HasSuffix(r.stdout, "  no builds\n") {
			t.Errorf("%v: got %+v", args, r)
		}
	}
	if r := ask("--config=/dev/null", "--state-dir="+dir, "--json"); r.status != 0 || !strings.Contains(r.stdout, `"uuid": "`+id+`"`) {
		t.Errorf("--json: got %+v", r)
	}
	if info, err := os.Stat(filepath.Join(dir, "agent-spool", "agent.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got the socket %v, %v; want it for its owner only", info, err)
	}
	if status, body := get(t, s.client+"/metrics"); status != 200 || !strings.Contains(body, `tbfg_agent_builds{phase="building"} 0`) {
		t.Errorf("got the metrics %d %s", status, body)
	}
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
	for _, args := range [][]string{{"--config=/dev/null", "--state-dir=" + dir}, {"--socket=" + filepath.Join(dir, "agent-spool", "agent.sock")}} {
		if r := ask(args...); r.status != 1 || strings.Count(r.stderr, "\n") != 1 || r.stdout != "" {
			t.Errorf("%v without an agent: got %+v, want one line", args, r)
		}
	}
}
