package system

import (
	"context"
	"regexp"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// upstreamDatabase is where the Guix Build Coordinator's service keeps it.
const (
	upstreamDir      = "/var/lib/guix-build-coordinator"
	upstreamDatabase = upstreamDir + "/guix_build_coordinator.db"
)

// stamp begins the log lines that the post shows, before what is said.
const stamp = `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(INFO \): `

// session is the machine of the post, with what stands in for the servers of
// the Guix project: data.guix.gnu.org, which has derivations, and
// bordeaux.guix.gnu.org, which has what they need.
type session struct {
	*farm
	data, bordeaux *machine.Publisher
	hello          *toy.Drv // which only data has
	goodbye        *toy.Drv // which nobody has
	inputs         []*toy.Drv
}

func newSession(t *testing.T) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	data, bordeaux, bedok := newBuilder(t), newBuilder(t), newHost(t)
	s := &session{}
	var inputs [2][]*toy.Drv
	for i, h := range []*host{data, bordeaux} {
		base := h.add(toy.Recipe{Name: "base", Outputs: []string{"out", "lib"}, Script: `echo base >"$out"; echo world >"$lib"`})
		greeting := h.add(toy.Recipe{Name: "greeting", Inputs: []*toy.Drv{base}, Script: `mkdir "$out"; echo Hello >"$out/word"; ln -s "$in_base" "$out/base"`})
		inputs[i] = []*toy.Drv{base, greeting}
	}
	s.inputs = inputs[0]
	bordeaux.build(inputs[1][1])
	s.hello = data.add(toy.Recipe{Name: "hello-2.12", Inputs: s.inputs,
		Script: `echo building hello; cat "$in_greeting/word" "$in_base_lib" | tee "$out"; echo "$in_greeting" >>"$out"`})
	var err error
	if s.goodbye, err = data.shop.Compute(toy.Recipe{Name: "goodbye"}); err != nil {
		t.Fatal(err)
	}
	if s.data, err = data.Publish(ctx, "--compression=lzip:6", "--compression=zstd:3"); err != nil {
		t.Fatal(err)
	}
	if s.bordeaux, err = bordeaux.Publish(ctx, "--compression=lzip:6", "--compression=zstd:3"); err != nil {
		t.Fatal(err)
	}
	for _, server := range []*machine.Publisher{s.data, s.bordeaux} {
		if err := bedok.Authorize(ctx, server.Key); err != nil {
			t.Fatal(err)
		}
	}
	bedok.startDaemon("--substitute-urls=" + s.bordeaux.URL)
	bedok.conn = bedok.dial()

	agents, clients, front := machine.FreeAddress(t), machine.FreeAddress(t), machine.FreeAddress(t)
	s.farm = &farm{host: bedok, Client: clientapi.NewClient("http://" + clients),
		agentURL: "http://" + agents, clientURL: "http://" + clients, frontURL: "http://" + front}
	return s
}

// startCoordinator runs guix-build-coordinator. Only its ports are not those
// of the post.
func (s *session) startCoordinator() {
	s.t.Helper()
	s.serve = s.launch("coordinator", s.Command(context.Background(), "guix-build-coordinator",
		"--update-database", "--pid-file="+pidFile, "--agent-communication="+s.agentURL,
		"--client-communication="+s.clientURL, "--front-communication="+s.frontURL))
	s.waitReady(s.serve, pidFile)
}

// run runs guix-build-coordinator with a command.
func (s *session) run(args ...string) reply {
	s.t.Helper()
	return s.command([]string{"TBFG_COORDINATOR=" + s.clientURL}, "guix-build-coordinator", args...)
}

// want checks that a command succeeds and what it prints.
func (s *session) want(got reply, pattern string) (found []string) {
	s.t.Helper()
	found = regexp.MustCompile(pattern).FindStringSubmatch(got.out)
	if got.status != 0 || got.err != "" || found == nil {
		s.t.Fatalf("got %+v, want output that matches %s", got, pattern)
	}
	return found
}

// sqlite runs sqlite3 on the database as somebody at a terminal does.
func (s *session) sqlite(input string) string {
	s.t.Helper()
	out, err := s.RunInput(s.ctx, input+"\n", "sqlite3", upstreamDatabase)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *session) startAgent(uuid string, options ...string) *machine.Process {
	s.t.Helper()
	return s.launch("agent", s.Command(context.Background(), "guix-build-coordinator-agent", append([]string{
		"--coordinator=" + s.agentURL, "--uuid=" + uuid, "--password-file=" + passwordFile,
		"--derivation-substitute-urls=" + s.data.URL, "--non-derivation-substitute-urls=" + s.bordeaux.URL,
		"--system=x86_64-linux", "--system=i686-linux",
		"--max-parallel-builds=4", "--max-parallel-uploads=2", "--max-allocated-builds=8", "--max-1min-load-average=1000",
	}, options...)...))
}

const passwordFile = "/etc/guix-build-coordinator/agent-bedok-passwd"
