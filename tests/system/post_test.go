package system

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// TestThePost performs the session of the post "Tiny Build Farm for Guix,
// part 1", step by step, with the names that upstream's programs have.
func TestThePost(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	const listed = "%s: bedok\n  description:\n  TBFG agent  active?: true\n  0 allocated builds:\n  requested systems:\n%s  tags:\n"

	// The coordinator, and no agents.
	s.startCoordinator()
	s.want(s.run("agent", "list"), `^$`)

	// An agent and its password.
	id := s.want(s.run("agent", "new"), `^([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\n$`)[1]
	password := s.want(s.run("agent", id, "password", "new"), `^new password: ([A-Za-z0-9_-]{40})\n$`)[1]
	s.want(s.run("agent", id, "password"), `^password made at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n.*"agent `+id+` password new"`)

	// The database, while the coordinator runs.
	tables := strings.Fields(s.sqlite(".tables"))
	for _, table := range []string{"agent_passwords", "agent_tags", "agents", "builds", "tags"} {
		if !slices.Contains(tables, table) {
			t.Errorf("got the tables %q, want %s among them", tables, table)
		}
	}
	row := s.sqlite("select * from agent_passwords;")
	if ok, _ := regexp.MatchString(`^1\|`+id+`\|[^|\n]+\|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$`, row); !ok || strings.Contains(row, password) {
		t.Errorf("got the passwords %q, want one row that does not tell the password", row)
	}
	const schema = "CREATE TABLE agents (\n       id TEXT PRIMARY KEY,\n       description TEXT\n, name TEXT, active NOT NULL DEFAULT 1);\n"
	if got := s.sqlite(".schema agents"); got != schema {
		t.Errorf("got the schema\n%swant\n%s", got, schema)
	}
	s.sqlite("update agents set name='bedok', description='TBFG agent' where id='" + id + "';")
	if got, want := s.sqlite("select * from agents;"), id+"|TBFG agent|bedok|1\n"; got != want {
		t.Errorf("got the agents %q, want %q", got, want)
	}
	if got, want := s.run("agent", "list").out, fmt.Sprintf(listed, id, ""); got != want {
		t.Errorf("got the list\n%swant\n%s", got, want)
	}

	// The agent. Its password file can be read by others at first.
	s.write(passwordFile, password+"\n", 0o644)
	agent := s.startAgent(id)
	cure := s.waitLine(agent, `\(WARN \): .*`+passwordFile+` can be read by others .*; run: (chmod \d+ `+passwordFile+`)$`)[1]
	s.checkStart(agent, id)
	if status, _ := s.stop(agent); status != 0 {
		t.Errorf("the agent ended with status %d, want 0", status)
	}
	s.do("sh", "-c", cure)
	agent = s.startAgent(id)
	s.checkStart(agent, id)
	if output, _ := agent.Output(); strings.Contains(output, "WARN") {
		t.Errorf("after %s the agent still warns:\n%s", cure, output)
	}
	want := fmt.Sprintf(listed, id, "   - i686-linux\n   - x86_64-linux\n")
	if got := s.run("agent", "list").out; got != want {
		t.Errorf("got the list\n%swant\n%s", got, want)
	}

	// A build of what only the data service has.
	build := s.want(s.run("build", "--derivation-substitute-urls="+s.data.URL, string(s.hello.Path)),
		`^build submitted as ([0-9a-f-]{36})\n$`)[1]
	s.waitState(daemon.Succeeded, build)
	for _, p := range []*machine.Process{s.serve, agent} {
		for _, event := range []string{"started", "succeeded"} {
			s.waitLine(p, stamp+"build "+build+" "+event+`\b`)
		}
	}
	s.waitLine(s.serve, stamp+"build "+build+" submitted .*"+regexp.QuoteMeta(string(s.hello.Path)))
	s.waitLine(s.serve, stamp+"build "+build+" succeeded .*"+id)
	s.checkPostLog(build)

	// What became of it.
	shown := s.run("build", "show", build)
	for _, part := range []string{build, string(s.hello.Path), "succeeded", string(s.hello.Out()), id} {
		if shown.status != 0 || !strings.Contains(shown.out, part) {
			t.Errorf("build show: got %+v, want %s in it", shown, part)
		}
	}
	s.want(s.run("build", "list"), `^`+build+` +succeeded +hello-2\.12\n$`)
	s.checkOutputs("hello", s.show(build), s.hello)
	if got := s.read(string(s.hello.Out())); got != "Hello\nworld\n"+string(s.inputs[1].Out())+"\n" {
		t.Errorf("got the output %q", got)
	}

	s.checkRefusals(agent, id, password)

	// What the command line has by now in the place of SQL.
	other := s.want(s.run("agent", "new", "--name=second", "--description=made without SQL"), `^([0-9a-f-]{36})\n$`)[1]
	s.want(s.run("agent", other, "set", "--description=changed without SQL", "--active=false"), `^$`)
	want += other + ": second\n  description:\n  changed without SQL  active?: false\n  0 allocated builds:\n  requested systems:\n  tags:\n"
	if got := s.run("agent", "list").out; got != want {
		t.Errorf("got the list\n%swant\n%s", got, want)
	}
	for _, p := range []*machine.Process{agent, s.serve} {
		if status, _ := s.stop(p); status != 0 {
			t.Errorf("%s ended with status %d, want 0", p.Log, status)
		}
	}
}

// checkStart waits for the four lines that the post shows, in their order.
func (s *session) checkStart(agent *machine.Process, id string) {
	s.t.Helper()
	var pattern strings.Builder
	for _, line := range []string{"starting agent " + id, "connecting to coordinator " + s.agentURL,
		"running 0 threads, currently allocated 0 builds", "starting 0 new builds"} {
		pattern.WriteString(strings.TrimPrefix(stamp, "^") + regexp.QuoteMeta(line) + "\n")
	}
	s.waitLine(agent, "^"+strings.TrimSuffix(pattern.String(), "\n")+"$")
}

// checkPostLog looks for a build's log where the post does, and asks the log
// endpoint as browsers and as older programs do.
func (s *session) checkPostLog(build string) {
	s.t.Helper()
	const want = "building hello\nHello\nworld\n"
	file := upstreamDir + "/build-logs/" + build + "/log.gz"
	if got := s.gunzip(file); got != want || got != s.daemonLog(s.hello.Path) {
		s.t.Errorf("got %q in %s, want %q", got, file, want)
	}
	for _, accepts := range []string{"gzip, deflate, br", "identity"} {
		req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.frontURL+"/build/"+build+"/log", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", accepts)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		encoding := resp.Header.Get("Content-Encoding")
		switch {
		case resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/plain; charset=UTF-8":
			s.t.Errorf("who accepts %s: got %s, %v", accepts, resp.Status, resp.Header)
		case accepts == "identity" && (encoding != "" || string(body) != want):
			s.t.Errorf("who accepts %s: got encoding %q, %q, want %q", accepts, encoding, body, want)
		case accepts != "identity" && (encoding != "gzip" || string(body) != s.read(file)):
			s.t.Errorf("who accepts %s: got encoding %q, %q, want the file as it lies", accepts, encoding, body)
		}
	}
}

// TestThePortsAreUpstreams looks at the defaults without using them: another
// program here may.
func TestThePortsAreUpstreams(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	config := h.do("tbfg", "config", "show")
	help := h.do("guix-build-coordinator", "--help")
	for _, test := range []struct{ in, want string }{
		{config, `agent_listen = ['0.0.0.0:8745']`},
		{config, `client_listen = ['127.0.0.1:8746']`},
		{config, `listen = ['127.0.0.1:8747']`},
		{config, `coordinator = 'http://localhost:8745'`},
		{help, "http://0.0.0.0:8745"},
		{help, "http://127.0.0.1:8746"},
		{help, "http://127.0.0.1:8747"},
		{help, upstreamDatabase},
		{h.do("guix-build-coordinator-agent", "--help"), "http://localhost:8745"},
		{h.do("guix-build-coordinator", "agent", "list", "--help"), "http://127.0.0.1:8746"},
	} {
		if !strings.Contains(test.in, test.want) {
			t.Errorf("got\n%s\nwant %s in it", test.in, test.want)
		}
	}
	// Without timestamps, for those whose log has its own.
	agent := h.launch("agent", h.Command(context.Background(), "guix-build-coordinator-agent", "--timestamp-log-output=false",
		"--uuid=x", "--password=y", "--coordinator=http://"+machine.FreeAddress(t)))
	h.waitLine(agent, `^\(INFO \): starting agent x$`)
}
