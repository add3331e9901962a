package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/agent"
)

// configure puts another configuration in the place of the old one, as editors
// do.
func (s *served) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config+".new", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.config+".new", s.config); err != nil {
		s.t.Fatal(err)
	}
}

// A running farm takes over what it can, says what it cannot, and leaves
// everything as it is when the file is wrong.
func TestARunningFarmTakesOverItsConfiguration(t *testing.T) {
	s := serveFarm(t, filepath.Join(t.TempDir(), "state"))
	heard := filepath.Join(t.TempDir(), "heard")
	hook := `
[[hook]]
name = "note"
events = ["agent-status"]
command = ["/bin/sh", "-c", "cat >> ` + heard + `"]
`
	s.configure("log_level = \"debug\"\n" + freePorts + hook)
	s.says(`the configuration was read file=` + s.config + ` changed="log_level hook"`)

	s.configure("log_level = \"loud\"\n" + freePorts + hook)
	s.says(`log_level must be debug, info, warn or error, not \"loud\"`)

	s.configure(strings.Replace(freePorts, "127.0.0.1:0", "127.0.0.1:1", 1) + hook)
	s.says("restart the farm for what else is new in the configuration keys=coordinator.agent_listen")
	if status, _ := get(t, s.client+"/status"); status != 200 {
		t.Errorf("got the status %d, want that it answers where it did", status)
	}

	before := strings.Count(s.log.String(), "the configuration was read")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("it reads the file because of SIGHUP", func() bool {
		return strings.Count(s.log.String(), "the configuration was read") > before
	})

	env := []string{"TBFG_COORDINATOR=" + s.client}
	last := func(args ...string) string {
		t.Helper()
		words := strings.Fields(run(t, "", env, args...).stdout)
		if len(words) == 0 {
			t.Fatalf("%q says nothing", args)
		}
		return words[len(words)-1]
	}
	uuid := last("tbfg", "agent", "new", "--name=bedok")
	password := last("tbfg", "agent", uuid, "password", "new")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, nil, "tbfg", "agent", "run", "--coordinator="+s.agent, "--uuid="+uuid, "--password-file="+file)
	s.until("the new hook hears of the agent", func() bool {
		text, _ := os.ReadFile(heard)
		return strings.Contains(string(text), "agent-status")
	})

	s.configure("grace = \"1s\"\n" + freePorts + hook + "[[agents]]\nname = \"marina\"\n")
	s.until("the declared agent has a token", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "secrets", "agents", "marina.token"))
		return err == nil
	})
	r := run(t, "", env, "tbfg", "reload")
	if want := "configuration: " + s.config + "\n"; r.stdout != want || r.status != 0 {
		t.Errorf("reload: got %+v, want %q", r, want)
	}
	token, err := os.ReadFile(filepath.Join(s.dir, "secrets", "agents", "marina.token"))
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, "", env, "tbfg", "secrets", "list"); !strings.Contains(r.stdout, "agents/marina.token ") || strings.Contains(r.stdout, string(token)) {
		t.Errorf("secrets list: got %+v, want the agent's token named and not shown", r)
	}
	if r := run(t, "", env, "tbfg", "secrets", "rotate", "agents/marina.token"); r.status != 0 {
		t.Errorf("secrets rotate: got %+v", r)
	}
	if now, err := os.ReadFile(filepath.Join(s.dir, "secrets", "agents", "marina.token")); err != nil || string(now) == string(token) {
		t.Errorf("got %q, %v; want another token", now, err)
	}
	for _, name := range []string{"../tbfg.db", "local-agent.uuid", "agents/nobody.token"} {
		if r := run(t, "", env, "tbfg", "secrets", "rotate", name); r.status != 1 || !strings.Contains(r.stderr, "there is no secret") {
			t.Errorf("secrets rotate %s: got %+v, want that there is none", name, r)
		}
	}
	s.configure(freePorts + "[[collections]]\nname = \"ours\"\nsource = \"file\"\nfile = \"/nonexistent/drvs\"\n")
	s.until("the declared collection is there", func() bool {
		return strings.HasPrefix(run(t, "", env, "tbfg", "collection", "list").stdout, "ours ")
	})
	s.configure("grace = 1\n" + freePorts)
	s.says("grace must be a duration")
	if r := run(t, "", env, "tbfg", "reload"); r.status != 1 || !strings.Contains(r.stderr, s.config+":1:9: grace must be a duration") {
		t.Errorf("reload of nonsense: got %+v, want the line", r)
	}
	if r := run(t, "", env, "tbfg", "status"); !strings.Contains(r.stdout, "the new configuration is wrong") {
		t.Errorf("status: got %+v, want that the configuration is wrong", r)
	}
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
}

// The local agent goes on with other settings and another password, ends when
// it is not wanted, and comes back.
func TestTheLocalAgentFollowsTheConfiguration(t *testing.T) {
	s := serveFarm(t, filepath.Join(t.TempDir(), "state"))
	socket := filepath.Join(s.dir, "agent-spool", agent.ControlSocket)
	report := func() agent.Report {
		r, err := agent.Ask(t.Context(), socket)
		if err != nil {
			return agent.Report{} // there is none
		}
		return r
	}
	local := func(text string) string {
		return freePorts + "[local_agent]\nenabled = true\nmax_1min_load_average = 10000.0\ndaemon_socket = \"/nonexistent/socket\"\n" + text
	}
	s.configure(local("max_parallel_builds = 3\nsystems = [\"i686-linux\"]\nmin_free_space = 1\n"))
	s.says("restart the farm for what else is new in the configuration keys=local_agent.daemon_socket")
	var first agent.Report
	s.until("the agent is there", func() bool { first = report(); return first.UUID != "" })
	if first.Parallel != 3 || !slices.Equal(first.Systems, []string{"i686-linux"}) || first.MinFree != 1 {
		t.Errorf("got %+v, want 3 builds, i686-linux and 1 byte", first)
	}

	s.configure(local("max_parallel_builds = 5\nsystems = [\"x86_64-linux\", \"i686-linux\"]\nmin_free_space = 2\n"))
	s.until("the same agent has other settings", func() bool {
		r := report()
		return r.Since.Equal(first.Since) && r.Parallel == 5 && len(r.Systems) == 2 && r.MinFree == 2
	})
	s.configure(local("min_free_space = 9223372036854775807\n"))
	s.says("no more builds are asked for or begun")
	s.configure(local("min_free_space = 1\n"))
	s.says("there is room for builds again")

	env := []string{"TBFG_COORDINATOR=" + s.client}
	if r := run(t, "", env, "tbfg", "secrets", "rotate", "local-agent.password"); r.status != 0 {
		t.Fatalf("secrets rotate: got %+v", r)
	}
	s.says("the password has changed; going on with the new one")
	contact := report().LastContact
	s.configure(local("min_free_space = 9223372036854775807\n")) // a reason to talk
	s.until("the agent talks to the coordinator with the new password", func() bool { return report().LastContact.After(contact) })
	if r := report(); !r.Since.Equal(first.Since) {
		t.Errorf("got %+v, want the agent of %v", r, first.Since)
	}

	s.configure(freePorts)
	s.says("the local agent ends with what it builds now")
	s.until("the agent is gone", func() bool { return report().UUID == "" })
	s.configure(local(""))
	s.until("another is there", func() bool { r := report(); return r.UUID == first.UUID && r.Since.After(first.Since) })
	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("got the status %d, want 0", status)
	}
}

func TestTheFrontEndMayBecomeAnother(t *testing.T) {
	s := serveFarm(t, filepath.Join(t.TempDir(), "state"))
	for _, name := range []string{"one", "two"} {
		bffe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
		defer bffe.Close()
		s.configure(strings.Replace(freePorts, "[front]", "[front]\nbffe = \""+bffe.URL+"\"", 1))
		s.until("the front end is "+name, func() bool { _, body := get(t, s.front+"/"); return body == name })
	}
}
