package channel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// testLive does to the machine what an activation and a Shepherd do.
func testLive(t *testing.T, g *guix) {
	g.addAccounts(t, "tbfg", "tbfg-agent", "guix-build-coordinator-agent")
	g.activate(t, "tbfg", "tbfg-agent", "guix-build-coordinator-agent")
	for _, want := range []string{
		"755 tbfg tbfg /var/lib/tbfg",
		"700 tbfg tbfg /var/lib/tbfg/secrets",
		"700 tbfg tbfg /var/lib/tbfg/backups",
		"700 tbfg-agent tbfg-agent /var/lib/tbfg-agent",
		"600 tbfg-agent tbfg-agent /var/lib/tbfg-agent/secret",
		"700 tbfg-agent tbfg-agent /var/cache/tbfg-agent",
		"755 root root /var/log/tbfg",
		"755 tbfg tbfg /run/tbfg",
	} {
		g.checkMode(t, want)
	}
	if got := g.read(t, "/var/lib/tbfg-agent/secret"); got != secret {
		t.Errorf("got the secret %q, want that of the declaration", got)
	}
	g.activateEtc(t, "first", 1)
	h := g.startShepherd(t)
	h.must("start", "tbfg")
	if got := h.must("status", "tbfg"); !strings.Contains(got, "It is running since") {
		t.Errorf("herd status: got %s", got)
	}
	h.actions(t)
	h.enrol(t)
	h.log(t)
	h.reconfigure(t)
	h.refuseNothing(t)
	h.must("stop", "tbfg")
	if got := h.must("status", "tbfg"); !strings.Contains(got, "It is stopped") {
		t.Errorf("herd status after a stop: got %s", got)
	}
	h.must("start", "tbfg")
	h.must("stop", "tbfg-sockets")
	if got := h.must("status", "tbfg"); !strings.Contains(got, "It is stopped") {
		t.Errorf("herd status without sockets: got %s", got)
	}
	if _, err := h.farm.Agents(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without sockets: got %v, want a refusal", err)
	}
}

// addAccounts adds the users and groups that services declare.
func (g *guix) addAccounts(t *testing.T, services ...string) {
	t.Helper()
	for _, service := range services {
		for _, account := range g.lines(t, "live."+service+".accounts") {
			args := []string{"groupadd", "--system", account[1]}
			if account[0] == "user" {
				args = []string{"useradd", "--system", "--gid", account[2], "--home-dir", account[3], "--shell", "/usr/sbin/nologin", account[1]}
			}
			if _, err := g.Run(t.Context(), args[0], args[1:]...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// activate runs the services' parts of an activation, twice as after a second
// reconfiguration.
func (g *guix) activate(t *testing.T, services ...string) {
	t.Helper()
	for range 2 {
		for _, service := range services {
			if _, err := g.Run(t.Context(), "guile", "--no-auto-compile", "/out/live."+service+".activation"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkMode compares with what stat says: mode, user, group, file.
func (g *guix) checkMode(t *testing.T, want string) {
	t.Helper()
	file := want[strings.LastIndex(want, " ")+1:]
	got, err := g.Run(t.Context(), "stat", "-c", "%a %U %G %n", file)
	if err != nil || strings.TrimSpace(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func (g *guix) read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(g.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A herd is a Shepherd that has the services.
type herd struct {
	*guix
	t      *testing.T
	farm   *clientapi.Client
	socket string
}

func (g *guix) startShepherd(t *testing.T) *herd {
	t.Helper()
	h := &herd{g, t, clientapi.NewClient("http://" + g.clients), "/run/shepherd/socket"}
	if err := os.Mkdir(g.Path("/run/shepherd"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := g.Command(context.Background(), "shepherd", "-c", tree+"/tests/channel/testdata/shepherd.scm", "-s", h.socket, "-l", "/var/log/shepherd.log")
	cmd.Env = append(cmd.Env, "GUILE_LOAD_PATH="+tree+"/guix")
	p, err := g.Launch("shepherd", cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitAccept(t.Context(), "unix", g.Path(h.socket)); err != nil {
		t.Fatal(err)
	}
	// It listens before it has loaded its configuration.
	eventually(t, "the services", func() bool {
		_, err := h.herd("status", "guix-build-coordinator-agent")
		return err == nil
	})
	t.Cleanup(func() {
		if t.Failed() {
			for _, file := range []string{"/var/log/shepherd.log", "/var/log/tbfg/tbfg.log", "/var/log/tbfg/agent.log"} {
				text, _ := os.ReadFile(g.Path(file))
				t.Logf("%s:\n%s", file, text[max(0, len(text)-5000):])
			}
		}
	})
	return h
}

// herd runs a command for the Shepherd.
func (h *herd) herd(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	return h.Run(ctx, "herd", append([]string{"-s", h.socket}, args...)...)
}

func (h *herd) must(args ...string) string {
	h.t.Helper()
	out, err := h.herd(args...)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// pid is the process that a service runs as; 0 if it runs none.
func (h *herd) pid(service string) (pid int) {
	h.t.Helper()
	_, after, _ := strings.Cut(h.must("status", service), "Main PID: ")
	if _, err := fmt.Sscan(after, &pid); err != nil {
		return 0
	}
	return pid
}

// actions tries each of the farm's actions.
func (h *herd) actions(t *testing.T) {
	eventually(t, "the local agent", func() bool {
		agents, err := h.farm.Agents(t.Context())
		_, noPassword := os.Stat(h.Path("/var/lib/tbfg/secrets/local-agent.password"))
		return err == nil && len(agents) == 1 && agents[0].Name == "local" && noPassword == nil
	})
	for _, file := range []string{"local-agent.uuid", "local-agent.password", "client.token", "signing.key"} {
		h.checkMode(t, "600 tbfg tbfg /var/lib/tbfg/secrets/"+file)
	}
	h.checkMode(t, "660 tbfg users /run/tbfg/client.socket")
	uuid := strings.TrimSpace(h.read(t, "/var/lib/tbfg/secrets/local-agent.uuid"))
	// Commands find the socket by themselves, wherever the port is.
	if got, err := h.Run(t.Context(), "/opt/tbfg/bin/tbfg", "agent", "list"); err != nil || !strings.Contains(got, uuid) {
		t.Errorf("tbfg agent list: got %q, %v; want %s in it", got, err, uuid)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"agents", "tbfg"}, uuid + ": local"},
		{[]string{"agents", "tbfg", "--", "--json"}, `"mode": "working"`},
		{[]string{"pause", "tbfg"}, ""},
		{[]string{"agents", "tbfg", "--", "--json"}, `"mode": "paused"`},
		{[]string{"resume", "tbfg", uuid}, ""},
		{[]string{"agents", "tbfg", "--", "--json"}, `"mode": "working"`},
		{[]string{"drain", "tbfg"}, ""},
		{[]string{"agents", "tbfg", "--", "--json"}, `"mode": "draining"`},
		{[]string{"resume", "tbfg"}, ""},
		{[]string{"builds", "tbfg"}, ""},
		{[]string{"reload", "tbfg"}, "/etc/tbfg/config.toml"},
		{[]string{"configuration", "tbfg"}, "/etc/tbfg/config.toml"},
		{[]string{"backup", "tbfg", "/var/lib/tbfg/backups/mine.db"}, "/var/lib/tbfg/backups/mine.db"},
		{[]string{"backup", "tbfg"}, "/var/lib/tbfg/backups/tbfg-20"},
	} {
		if got := h.must(step.args...); !strings.Contains(got, step.want) {
			t.Errorf("herd %s: got %q, want %q in it", strings.Join(step.args, " "), got, step.want)
		}
	}
	h.checkMode(t, "600 tbfg tbfg /var/lib/tbfg/backups/mine.db")
	if out, err := h.herd("pause", "tbfg", "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an agent that does not exist: got %q, %v; want it named", out, err)
	}
	documented := h.must("doc", "tbfg", "list-actions")
	for _, action := range []string{"reload", "agents", "builds", "pause", "resume", "drain", "backup", "configuration"} {
		if !strings.Contains(documented, action+":") {
			t.Errorf("herd doc tbfg list-actions does not have %s:\n%s", action, documented)
		}
	}
}

// enrol starts agents as services of their own: ours, and upstream's with our
// program.
func (h *herd) enrol(t *testing.T) {
	token, err := h.Run(t.Context(), "/opt/tbfg/bin/tbfg", "token", "new", "--coordinator=http://"+h.clients)
	if err != nil {
		t.Fatal(err)
	}
	token = token[strings.LastIndexAny(strings.TrimSpace(token), " \n")+1:]
	for file, owner := range map[string]string{"/var/lib/tbfg-agent/secret": "tbfg-agent", "/etc/token": "guix-build-coordinator-agent"} {
		if err := h.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Run(t.Context(), "chown", owner, file); err != nil {
			t.Fatal(err)
		}
	}
	h.must("start", "tbfg-agent")
	h.must("start", "guix-build-coordinator-agent")
	eventually(t, "both agents", func() bool {
		agents, err := h.farm.Agents(t.Context())
		names := make(map[string]bool)
		for _, a := range agents {
			names[a.Name] = true
		}
		return err == nil && names["ours"] && names["upstream"]
	})
	for _, service := range []string{"tbfg-agent", "guix-build-coordinator-agent"} {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", h.pid(service)))
		if err != nil || strings.Contains(string(args), strings.TrimSpace(token)) {
			t.Errorf("%s: got the arguments %q, %v; want no token in them", service, args, err)
		}
		h.must("stop", service)
	}
}

// refuseNothing restarts and kills the farm while a client submits builds.
func (h *herd) refuseNothing(t *testing.T) {
	h.buildOne(t)
	h.must("pause", "tbfg") // it would have to finish thousands of builds
	conn, drv := h.derivation(t, "submitted")
	defer conn.Close()
	done, result := make(chan struct{}), make(chan submissions)
	go func() { result <- h.submit(t, drv, done) }()
	for range restarts {
		before := h.pid("tbfg")
		h.must("restart", "tbfg")
		if after := h.pid("tbfg"); after == 0 || after == before {
			t.Errorf("got the process %d after %d, want another one", after, before)
		}
	}
	before := h.pid("tbfg")
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new process", func() bool { pid := h.pid("tbfg"); return pid != 0 && pid != before })
	close(done)
	got := <-result
	t.Logf("%d restarts and one kill: %d builds acknowledged, %d answers lost with the process, %d connections refused",
		restarts, len(got.acknowledged), len(got.interrupted), len(got.refused))
	for _, err := range got.interrupted {
		t.Log(err)
	}
	if len(got.acknowledged) == 0 || len(got.refused) > 0 {
		t.Errorf("want builds and no refusals, got %q", got.refused)
	}
	known := make(map[string]bool)
	err := h.farm.Builds(t.Context(), nil, 0, func(b wire.Build) error { known[b.UUID] = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, uuid := range got.acknowledged {
		if !known[uuid] {
			t.Errorf("build %s was acknowledged and is lost", uuid)
		}
	}
}

// buildOne has the local agent build something as the service's user.
func (h *herd) buildOne(t *testing.T) {
	conn, drv := h.derivation(t, "one")
	defer conn.Close()
	reply, err := h.farm.Submit(t.Context(), daemon.Submission{Derivation: drv.Path})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the build's success", func() bool {
		b, err := h.farm.Build(t.Context(), reply.Submitted)
		return err == nil && b.State == daemon.Succeeded
	})
}

// derivation is a new one, which lives as long as the connection.
func (h *herd) derivation(t *testing.T, name string) (*guixdaemon.Conn, *toy.Drv) {
	t.Helper()
	conn, shop := h.shop(t)
	drv, err := shop.Add(t.Context(), toy.Recipe{Name: name, Script: `echo built >"$out"`})
	if err != nil {
		t.Fatal(err)
	}
	return conn, drv
}

func (h *herd) shop(t *testing.T) (*guixdaemon.Conn, *toy.Shop) {
	t.Helper()
	conn, err := guixdaemon.Dial(t.Context(), h.Socket())
	if err != nil {
		t.Fatal(err)
	}
	shop, err := toy.Open(t.Context(), conn, h.Path("/"))
	if err != nil {
		t.Fatal(err)
	}
	return conn, shop
}

// restarts is how many times the farm is restarted.
const restarts = 20

// submissions are what came of some: UUIDs of builds, and errors.
type submissions struct {
	acknowledged         []string
	refused, interrupted []error
}

// submit submits builds of a derivation until done is closed.
func (h *herd) submit(t *testing.T, drv *toy.Drv, done <-chan struct{}) (got submissions) {
	for {
		select {
		case <-done:
			return got
		default:
		}
		out, err := h.Run(t.Context(), "/opt/tbfg/bin/tbfg", "build", "--coordinator=http://"+h.clients, string(drv.Path))
		_, uuid, said := strings.Cut(strings.TrimSpace(out), "build submitted as ")
		switch {
		case err == nil && said:
			got.acknowledged = append(got.acknowledged, uuid)
		case err != nil && strings.Contains(err.Error(), "refused"):
			got.refused = append(got.refused, err)
		default:
			got.interrupted = append(got.interrupted, fmt.Errorf("%s%w", out, err))
		}
	}
}

// log looks at the farm's log, which the Shepherd rotates. Actions that were
// run before must not have ended it.
func (h *herd) log(t *testing.T) {
	// The Shepherd reads what the farm says from a pipe, when it comes to it.
	eventually(t, "the log says that the agents have enrolled", func() bool {
		return strings.Contains(h.read(t, "/var/log/tbfg/tbfg.log"), "name=upstream")
	})
	if text := h.read(t, "/var/log/tbfg/tbfg.log"); !regexp.MustCompile(`^20[-0-9]+ [:0-9]+ \(INFO \): listening for agent connections`).MatchString(text) {
		t.Errorf("got the log %q", text[:min(len(text), 300)])
	}
	if files := h.must("files", "log-rotation"); !strings.Contains(files, "/var/log/tbfg/tbfg.log") {
		t.Errorf("herd files log-rotation: got %q, want the farm's log in it", files)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 200*time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(pause)
	}
}
