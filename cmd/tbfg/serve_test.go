package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/config"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// freePorts is a configuration on ports that the system chooses.
const freePorts = `
[coordinator]
agent_listen = ["127.0.0.1:0"]
client_listen = ["127.0.0.1:0"]
derivation_substitute_urls = []
[front]
listen = ["127.0.0.1:0"]
`

// served is a farm in a process of its own.
type served struct {
	*process
	dir, pidFile, config string
	agent, client, front string // URLs
}

// serveFarm starts "tbfg serve" on a state directory.
func serveFarm(t *testing.T, dir string, options ...string) *served {
	t.Helper()
	return serveConfigured(t, dir, freePorts, options...)
}

// serveConfigured is serveFarm with a configuration.
func serveConfigured(t *testing.T, dir, config string, options ...string) *served {
	t.Helper()
	s := &served{dir: dir, pidFile: filepath.Join(dir, "run", "tbfg.pid")}
	s.config = filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(s.config, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"tbfg", "serve", "--config=" + s.config, "--state-dir=" + dir, "--pid-file=" + s.pidFile}, options...)
	s.process = start(t, nil, args...)
	s.ready(s.pidFile)
	s.agent, s.client, s.front = s.address("agent"), s.address("client"), s.address("front")
	return s
}

// address is the URL that the farm says it listens at.
func (s *served) address(name string) string {
	s.t.Helper()
	s.until("it says where it listens", func() bool { // what it writes passes through a pipe
		return regexp.MustCompile(`listening for ` + name + ` connections address=\S+\n`).MatchString(s.log.String())
	})
	match := regexp.MustCompile(`listening for ` + name + ` connections address=(\S+)`).FindStringSubmatch(s.log.String())
	if match == nil {
		s.t.Fatalf("it does not say where it listens for %s connections", name)
	}
	return "http://" + match[1]
}

// get is the status and the body at a URL.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServeFromStartToStop(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := filepath.Join(t.TempDir(), "state") // is made
		s := serveFarm(t, dir)
		const nobody = "7bdd2249-1214-431a-aa61-000000000009"
		for _, tt := range []struct {
			url    string
			status int
			body   string // a part of it
		}{
			{s.client + "/agents", 200, `{"agents":[]}`},
			{s.client + "/metrics", 200, "tbfg_disk_free_bytes"},
			{s.client + "/nonsense", 404, "no such route"},
			{s.agent + "/agent/" + nobody, 403, "access denied"},
			{s.agent + "/agents", 404, "no such route"},
			{s.agent + "/metrics", 200, "go_goroutines"},
			{s.front + "/build/" + nobody + "/log", 404, "There is no build " + nobody},
		} {
			if status, body := get(t, tt.url); status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%s: got %d %.200s, want %d %s", tt.url, status, body, tt.status, tt.body)
			}
		}
		r := run(t, "", []string{"TBFG_COORDINATOR=" + s.client}, "tbfg", "agent", "new", "--name=bedok")
		if r.status != 0 {
			t.Errorf("agent new: got %+v, want success", r)
		}
		if status := s.stop(signal); status != 0 {
			t.Errorf("%v: got the status %d, want 0", signal, status)
		}
		if _, err := os.Stat(s.pidFile); !os.IsNotExist(err) {
			t.Errorf("%v: got %v, want that the PID file is gone", signal, err)
		}
		for line := range strings.Lines(s.log.String()) {
			if !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((INFO |WARN )\): .*\n$`).MatchString(line) {
				t.Errorf("got the line %q, want one as the post has them", line)
			}
		}
		if !strings.HasSuffix(s.log.String(), " (INFO ): stopping\n") {
			t.Errorf("got the log %q, want that it ends with stopping", s.log.String())
		}

		s = serveFarm(t, dir) // and again on what it left
		if status, body := get(t, s.client+"/agents"); status != 200 || !strings.Contains(body, "bedok") {
			t.Errorf("after a restart: got %d %s, want the agent", status, body)
		}
	}
}

// Agents that wait for builds must not hold up the end.
func TestServeStopsWhileAnAgentWaits(t *testing.T) {
	s := serveFarm(t, t.TempDir())
	env := []string{"TBFG_COORDINATOR=" + s.client}
	id := strings.TrimSpace(run(t, "", env, "tbfg", "agent", "new").stdout)
	password := strings.TrimSpace(strings.TrimPrefix(run(t, "", env, "tbfg", "agent", id, "password", "new").stdout, "new password: "))
	answered := make(chan string, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.agent+"/agent/"+id+"/fetch-builds",
			strings.NewReader(`{"systems":["x86_64-linux"],"target_count":1,"wait_seconds":100}`))
		if err != nil {
			answered <- err.Error()
			return
		}
		req.SetBasicAuth(id, password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(string(body), err)
	}()
	s.until("the agent asks", func() bool {
		_, body := get(t, s.client+"/agent/"+id)
		return strings.Contains(body, "x86_64-linux")
	})
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
	if got := <-answered; got != `{"builds":[],"waits":true}<nil>` {
		t.Errorf("the agent's answer: got %s, want that there are no builds", got)
	}
}

func TestTheStateIsForItsOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	serveFarm(t, dir, "--local-agent").localAgent()
	for name, want := range map[string]os.FileMode{
		"tbfg.db": 0o600, "secrets": 0o700, "secrets/local-agent.password": 0o600, "secrets/local-agent.uuid": 0o600,
		"build-logs": 0o755, "agent-spool": 0o700,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v; want the mode %v", name, info, err, want)
		}
	}
}

// localAgent waits for the local agent and returns its UUID.
func (s *served) localAgent() string {
	s.t.Helper()
	s.says("connecting to coordinator ") // which follows the line with its UUID
	_, after, _ := strings.Cut(s.log.String(), "starting agent ")
	uuid := after[:36]
	s.until("the agent asks for builds", func() bool {
		_, body := get(s.t, s.client+"/agent/"+uuid)
		return strings.Contains(body, config.HostSystem())
	})
	return uuid
}

func TestTheLocalAgentMakesItselfKnown(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	agents := func(s *served) string {
		_, body := get(t, s.client+"/agents")
		return body
	}
	s := serveFarm(t, dir, "--local-agent")
	uuid := s.localAgent()
	if body := agents(s); strings.Count(body, `"requested_systems"`) != 1 || !strings.Contains(body, hostname()) {
		t.Errorf("got the agents %s, want one with this machine's name", body)
	}
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
	password, err := os.ReadFile(file("secrets/local-agent.password"))
	if err != nil || strings.Contains(s.log.String(), strings.TrimSpace(string(password))) {
		t.Errorf("got the password %q, %v; want one that is not in the log", password, err)
	}

	for _, tt := range []struct {
		name string
		lose []string
		same bool // the same password
	}{
		{"nothing is lost", nil, true},
		{"the password is lost", []string{"secrets/local-agent.password"}, false},
		{"the database is lost", []string{"tbfg.db", "tbfg.db-wal", "tbfg.db-shm"}, false},
	} {
		for _, name := range tt.lose {
			if err := os.Remove(file(name)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		s := serveFarm(t, dir, "--local-agent")
		if again := s.localAgent(); again != uuid {
			t.Errorf("%s: got the agent %s, want %s again", tt.name, again, uuid)
		}
		if body := agents(s); strings.Count(body, `"requested_systems"`) != 1 {
			t.Errorf("%s: got the agents %s, want one", tt.name, body)
		}
		if status := s.stop(syscall.SIGTERM); status != 0 {
			t.Errorf("%s: got the status %d, want 0", tt.name, status)
		}
		now, err := os.ReadFile(file("secrets/local-agent.password"))
		if err != nil || tt.same != (string(now) == string(password)) {
			t.Errorf("%s: got the password %q, %v after %q; want the same: %t", tt.name, now, err, password, tt.same)
		}
		password = now
	}
}

func TestServeRefusesAForeignDatabase(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tbfg.db", "guix_build_coordinator.db"} {
		db, err := sql.Open("sqlite3", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("CREATE TABLE agents (id TEXT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"tbfg", "serve", "--config=/dev/null", "--state-dir=" + dir}
		if name != "tbfg.db" {
			args = []string{"guix-build-coordinator", "--database=sqlite://" + filepath.Join(dir, name)}
		}
		r := run(t, "", nil, args...)
		want := fmt.Sprintf("%s: open database %s: this is another program's database, perhaps the Guix Build Coordinator's: "+
			"move it away or choose another database file\n", args[0], filepath.Join(dir, name))
		if r.status != 1 || r.stderr != want || r.stdout != "" {
			t.Errorf("%v: got %+v, want the status 1 and %s", args, r, want)
		}
		after, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(after) != string(before) {
			t.Errorf("%v: the database changed, %v", args, err)
		}
	}
}

func TestServeSaysWhyItCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	occupied := file("occupied.toml", strings.Replace(freePorts, "127.0.0.1:0", taken.Addr().String(), 1))
	wrong := file("wrong.toml", "state_dir = 7\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--config=" + occupied, "--state-dir=" + dir}, "listen for agents: listen tcp " + taken.Addr().String() + ": bind: address already in use"},
		{[]string{"--config=" + wrong}, wrong + ":1:13: state_dir must be a string"},
		{[]string{"--config=/dev/null", "--state-dir=" + wrong}, "make the state directory: mkdir " + wrong + ": not a directory"},
		{[]string{"--config=/dev/null", "--log-level=loud"}, `log_level must be debug, info, warn or error, not "loud"`},
	} {
		r := run(t, "", nil, append([]string{"tbfg", "serve"}, tt.args...)...)
		lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
		if last := lines[len(lines)-1]; r.status != 1 || last != "tbfg: "+tt.want {
			t.Errorf("%v: got the status %d and %q, want 1 and %s", tt.args, r.status, lines, tt.want)
		}
	}
}

func TestServeOnInheritedSockets(t *testing.T) {
	var addresses []string
	var files []*os.File
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		addresses, files = append(addresses, l.Addr().String()), append(files, f)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(conf, []byte(freePorts), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: command(t.Context(), t, nil, "tbfg"), ended: make(chan struct{})}
	// The shell has the process id that the program will have.
	self := p.cmd.Path
	p.cmd.Path = "/bin/sh"
	p.cmd.Args = []string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=client:front exec "$0" serve --config="$1" --state-dir="$2"`, self, conf, dir}
	p.cmd.ExtraFiles = files
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	p.says("listening for client connections address=" + addresses[0])
	p.says("listening for front connections address=" + addresses[1])
	if status, body := get(t, "http://"+addresses[0]+"/agents"); status != 200 {
		t.Errorf("got %d %s, want the agents", status, body)
	}
	if status, body := get(t, "http://"+addresses[1]+"/"); status != 200 || !strings.Contains(body, "Build farm") {
		t.Errorf("got %d %s, want the front page", status, body)
	}
	if status := p.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0; it said %s", status, p.log.String())
	}
}
