package system

import (
	"strings"
	"syscall"

	"codeberg.org/tbfg/tbfg/tests/machine"
)

// checkRefusals checks that whatever goes wrong is told in one line on
// standard error, fails, and changes nothing. The agent that runs is held
// meanwhile, for every half a minute it has the database changed.
func (s *session) checkRefusals(running *machine.Process, id, password string) {
	s.t.Helper()
	if err := running.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	defer running.Signal(syscall.SIGCONT)
	const nobody = "00000000-0000-4000-8000-000000000000"
	missing := string(s.goodbye.Path)
	forged := strings.Replace(string(s.hello.Path), "hello", "malice", 1)
	before := s.sqlite(".dump")
	down := "http://" + machine.FreeAddress(s.t)
	s.write("/etc/wrong", "IUwGrsEklfu0kVf_QquCOdzfa6-P52qPlcwBd5YB\n", 0o600)
	agent := func(args ...string) func() reply {
		return func() reply {
			return s.command(nil, "guix-build-coordinator-agent", append([]string{"--coordinator=" + s.agentURL}, args...)...)
		}
	}
	coordinator := func(args ...string) func() reply { return func() reply { return s.run(args...) } }
	atDown := func(args ...string) func() reply {
		return func() reply {
			return s.command([]string{"TBFG_COORDINATOR=" + down}, "guix-build-coordinator", args...)
		}
	}
	for _, test := range []struct {
		name string
		do   func() reply
		says []string
	}{
		{"a file that is not in the store", coordinator("build", "/etc/passwd"), []string{"/etc/passwd", "no build submitted"}},
		{"an item that is no derivation", coordinator("build", string(s.hello.Out())), []string{string(s.hello.Out()), "not a derivation"}},
		{"a hash that is none", coordinator("build", "/gnu/store/short-hello.drv"), []string{"short-hello.drv"}},
		{"two derivations, the second a bad one", coordinator("build", string(s.hello.Path), "hello.drv"), []string{"hello.drv"}},
		{"a derivation that nobody has", coordinator("build", "--derivation-substitute-urls="+s.data.URL, missing), []string{missing, s.data.URL}},
		{"a derivation with the hash of another", coordinator("build", "--derivation-substitute-urls="+s.data.URL, forged), []string{forged, string(s.hello.Path)}},
		{"a substitute server that is down", coordinator("build", "--derivation-substitute-urls="+down, missing), []string{missing, down}},
		{"a substitute URL that is none", coordinator("build", "--derivation-substitute-urls=data.guix.gnu.org", missing), []string{"data.guix.gnu.org", "http"}},
		{"a build that does not exist", coordinator("build", "show", nobody), []string{"no build " + nobody}},
		{"a build whose UUID is none", coordinator("build", "show", "hello"), []string{"hello", "UUID"}},
		{"an agent that does not exist", coordinator("agent", nobody), []string{"no agent " + nobody}},
		{"a password for nobody", coordinator("agent", nobody, "password", "new"), []string{"no agent " + nobody}},
		{"a name for nobody", coordinator("agent", nobody, "set", "--name=x"), []string{"no agent " + nobody}},
		{"an unknown command", coordinator("biuld"), []string{"biuld", "--help"}},
		{"an unknown option", coordinator("build", "--pirority=3", string(s.hello.Path)), []string{"pirority"}},
		{"a coordinator that is down", atDown("agent", "list"), []string{strings.TrimPrefix(down, "http://"), "no coordinator answers"}},
		{"a coordinator that is down, for a build", atDown("build", string(s.hello.Path)), []string{strings.TrimPrefix(down, "http://"), "no coordinator answers"}},
		{"a second coordinator at the same ports", func() reply {
			return s.command(nil, "guix-build-coordinator", "--database=/tmp/other.db", "--agent-communication="+s.agentURL,
				"--client-communication="+s.clientURL, "--front-communication="+s.frontURL)
		}, []string{strings.TrimPrefix(s.agentURL, "http://"), "in use"}},
		{"an agent with a wrong password", agent("--uuid="+id, "--password-file=/etc/wrong"), []string{id, "password"}},
		{"an agent with somebody else's UUID", agent("--uuid="+nobody, "--password="+password), []string{nobody, "password"}},
		{"an agent without a password", agent("--uuid=" + id), []string{"--password-file"}},
		{"an agent without a UUID", agent("--password-file=/etc/wrong"), []string{"--uuid"}},
		{"a password file that is not there", agent("--uuid="+id, "--password-file=/etc/nothing"), []string{"/etc/nothing"}},
		{"an agent with a wrong token", agent("--name=bedok", "--dynamic-auth-token-file=/etc/wrong"), []string{"token is not valid"}},
	} {
		got := test.do()
		var complaints []string
		for _, line := range lines(got.err) {
			if !strings.Contains(line, " (INFO ): ") {
				complaints = append(complaints, line)
			}
		}
		if got.status <= 0 || len(complaints) != 1 || got.out != "" {
			s.t.Errorf("%s: got status %d, %q and %q, want one line on standard error and a failure", test.name, got.status, complaints, got.out)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(complaints[0], part) {
				s.t.Errorf("%s: got %q, want %q in it", test.name, complaints[0], part)
			}
		}
		if strings.Contains(got.err, password) {
			s.t.Errorf("%s: the password was printed", test.name)
		}
	}
	if after := s.sqlite(".dump"); after != before {
		s.t.Errorf("the database changed from\n%s\nto\n%s", before, after)
	}
	if uuids := s.run("build", "list"); strings.Count(uuids.out, "\n") != 1 {
		s.t.Errorf("got the builds %q, want the one", uuids.out)
	}
}
