package system

import (
	"context"
	"errors"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A farm is "tbfg serve" on a host.
type farm struct {
	*host
	*clientapi.Client
	agentURL, clientURL, frontURL string
	serve                         *machine.Process // the last one started
}

const (
	stateDir = "/var/lib/tbfg"
	database = stateDir + "/tbfg.db"
	pidFile  = "/run/tbfg.pid"
)

// newFarm starts a farm. Unless change, which may be nil, says otherwise it
// has a local agent that builds two at a time, whatever the load.
func newFarm(h *host, changes ...func(*config.Config)) *farm {
	h.t.Helper()
	f := &farm{host: h}
	conf := config.Default(stateDir)
	for url, list := range map[*string]*[]string{
		&f.agentURL:  &conf.Coordinator.AgentListen,
		&f.clientURL: &conf.Coordinator.ClientListen,
		&f.frontURL:  &conf.Front.Listen,
	} {
		address := machine.FreeAddress(h.t)
		*list, *url = []string{address}, "http://"+address
	}
	f.Client = clientapi.NewClient(f.clientURL)
	conf.PIDFile = pidFile
	conf.Coordinator.DerivationURLs = []string{} // not the real one
	conf.LocalAgent.Enabled = true
	conf.LocalAgent.MaxParallelBuilds = 2
	conf.LocalAgent.MaxLoad = 1000
	for _, change := range changes {
		if change != nil {
			change(&conf)
		}
	}
	h.writeConfig("/etc/tbfg/config.toml", conf)
	f.start()
	return f
}

// coordinatorOnly is a change for farms whose agents are other processes.
func coordinatorOnly(conf *config.Config) { conf.LocalAgent.Enabled = false }

func (h *host) writeConfig(file string, conf config.Config) {
	h.t.Helper()
	text, err := conf.TOML()
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(file, string(text), 0o644)
}

// start starts the farm, again on what it left, and waits until it is ready.
func (f *farm) start() {
	f.t.Helper()
	f.serve = f.launch("serve", f.Command(context.Background(), "tbfg", "serve"))
	f.waitReady(f.serve, pidFile)
}

// launch starts a program that runs until it is stopped or the test ends.
func (h *host) launch(label string, cmd *exec.Cmd) *machine.Process {
	h.t.Helper()
	p, err := h.Launch(label, cmd)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// waitReady waits until a process has written its PID file.
func (h *host) waitReady(p *machine.Process, file string) {
	h.t.Helper()
	eventually(h.t, "the PID file of "+p.Log, func() bool {
		h.alive(p)
		return h.read(file) == strconv.Itoa(p.Pid())+"\n"
	})
}

// alive fails the test if a process has ended.
func (h *host) alive(p *machine.Process) {
	h.t.Helper()
	select {
	case <-p.Done():
		h.t.Fatalf("it ended: %v\n%s", p.Err(), p.Tail(20))
	default:
	}
}

// stop asks a process to end, as service managers do, and tells how it ended
// and how long that took.
func (h *host) stop(p *machine.Process) (status int, took time.Duration) {
	h.t.Helper()
	began := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	return h.waitEnd(p), time.Since(began)
}

// waitEnd waits until a process ends and returns its exit status.
func (h *host) waitEnd(p *machine.Process) (status int) {
	h.t.Helper()
	eventually(h.t, "the end of "+p.Log, func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	var exit *exec.ExitError
	if errors.As(p.Err(), &exit) {
		return exit.ExitCode()
	}
	return 0
}

// waitLine waits until a process has written a line that matches.
func (h *host) waitLine(p *machine.Process, pattern string) []string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	found, err := p.WaitLine(ctx, pattern)
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}

// tbfg runs a command for this farm.
func (f *farm) tbfg(args ...string) reply {
	f.t.Helper()
	return f.command([]string{"TBFG_COORDINATOR=" + f.clientURL, "TBFG_FRONT=" + f.frontURL}, "tbfg", args...)
}

// newAgent makes an agent known and returns its UUID and password.
func (f *farm) newAgent(name string) (uuid, password string) {
	f.t.Helper()
	uuid, err := f.NewAgent(f.ctx, name, "")
	if err == nil {
		password, err = f.NewPassword(f.ctx, uuid)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return uuid, password
}

// startAgent runs an agent of the farm's on a host, which may be another one,
// once more if need be. Its settings are those of newFarm's local agent.
func (f *farm) startAgent(on *host, uuid, password string, changes ...func(*config.Config)) *machine.Process {
	f.t.Helper()
	conf := config.Default(stateDir)
	conf.Agent.Coordinator, conf.Agent.UUID, conf.Agent.PasswordFile = f.agentURL, uuid, "/etc/tbfg/password"
	conf.Agent.MaxParallelBuilds = 2
	conf.Agent.MaxLoad = 1000
	for _, change := range changes {
		change(&conf)
	}
	on.write(conf.Agent.PasswordFile, password+"\n", 0o600)
	on.writeConfig("/etc/tbfg/agent.toml", conf)
	return on.launch("agent", on.Command(context.Background(), "tbfg", "agent", "run", "--config=/etc/tbfg/agent.toml"))
}

// submit asks for builds and returns their UUIDs.
func (f *farm) submit(drvs ...*toy.Drv) []string {
	f.t.Helper()
	var uuids []string
	for _, drv := range drvs {
		done, err := f.Submit(f.ctx, daemon.Submission{Derivation: drv.Path})
		if err != nil {
			f.t.Fatal(err)
		}
		uuids = append(uuids, done.Submitted)
	}
	return uuids
}

// show is what the farm tells of a build.
func (f *farm) show(uuid string) wire.BuildDetail {
	f.t.Helper()
	b, err := f.Build(f.ctx, uuid)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// waitState waits until each of the builds is in a state.
func (f *farm) waitState(state daemon.State, uuids ...string) {
	f.t.Helper()
	for _, uuid := range uuids {
		f.reach(state, uuid)
	}
}

// reach waits until a build is in a state and returns what the farm told of it
// then: asked again, it may have left a state that does not last.
func (f *farm) reach(state daemon.State, uuid string) (b wire.BuildDetail) {
	f.t.Helper()
	eventually(f.t, "build "+uuid+" is "+string(state), func() bool {
		f.alive(f.serve)
		b = f.show(uuid)
		return b.State == state || b.State.Finished()
	})
	if b.State != state {
		f.t.Fatalf("build %s: got %s, want %s: %+v", uuid, b.State, state, b)
	}
	return b
}

// waitOver waits until no build can go on, and returns them all.
func (f *farm) waitOver() []wire.Build {
	f.t.Helper()
	var all []wire.Build
	eventually(f.t, "all builds are over", func() bool {
		f.alive(f.serve)
		all = nil
		over := true
		err := f.Builds(f.ctx, url.Values{}, 0, func(b wire.Build) error {
			all = append(all, b)
			over = over && (b.State.Finished() || b.State == daemon.Blocked)
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
		return over
	})
	return all
}

// lines splits a text; the last line need not end.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}
