package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

const programPackage = "codeberg.org/tbfg/tbfg/cmd/tbfg"

// A farm is a running "tbfg serve" and what one needs to use it.
type farm struct {
	program string // tbfg, on this machine
	serve   *machine.Process
	addresses
	client *clientapi.Client
	note   string // of the place
}

// addresses are where the farm listens, as HOST:PORT.
type addresses struct{ agents, clients, logs string }

// usual are the farm's addresses unless others are configured, which is where the
// commands look for it. For agents it is all interfaces, but the demo has
// no business with other machines.
var usual = addresses{"127.0.0.1:8745", "127.0.0.1:8746", "127.0.0.1:8747"}

// startFarm builds the program and has it serve.
func startFarm(ctx context.Context, out *screen, work *workshop, p *place) (*farm, error) {
	if err := makeProgram(ctx, out, work); err != nil {
		return nil, err
	}
	at, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	f := &farm{program: work.program(), addresses: at, client: clientapi.NewClient("http://" + at.clients), note: p.note}

	// Copied even where it is the same machine, for a static program can run in any.
	program, config := filepath.Join(p.dir, "serve"), filepath.Join(p.dir, "config.toml")
	if err := os.MkdirAll(p.path(p.dir), 0o755); err != nil {
		return nil, err
	}
	if err := copyFile(p.path(program), work.program()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.path(config), []byte(at.config(p)), 0o644); err != nil {
		return nil, err
	}
	f.serve, err = machine.Launch(p.command(context.Background(), program, "serve", "--config="+config), work.file("tbfg.log"))
	if err != nil {
		return nil, err
	}
	// It listens for readers of logs last.
	if _, err := f.serve.WaitLine(ctx, "listening for front connections"); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	out.say("", "Running: tbfg serve, with coordinator, log endpoint and one agent")
	out.field("agents", "http://"+at.agents)
	out.field("commands", "http://"+at.clients)
	out.field("logs", "http://"+at.logs)
	out.field("log", f.serve.Log)
	if at != usual {
		out.say("(Other ports than usual, since something on this machine has those.)")
	}
	return f, nil
}

func (f *farm) stop() error {
	f.serve.Stop(5 * time.Second)
	return nil
}

// makeProgram puts tbfg into the workshop: the program that $TBFG_PROGRAM names or
// else one built from the source tree. It must be static, for it has to
// run in a Guix machine, which has none of this machine's libraries.
func makeProgram(ctx context.Context, out *screen, work *workshop) error {
	if program := os.Getenv("TBFG_PROGRAM"); program != "" {
		return copyFile(work.program(), program)
	}
	out.say("Building the program from this source tree. The first time this takes a minute.")
	_, err := work.run(command(ctx, "go", "build", "-tags", "netgo,osusergo,sqlite_omit_load_extension",
		"-ldflags", `-linkmode external -extldflags "-static"`, "-o", work.program(), programPackage), "go-build.log", "", nil)
	return err
}

// freeAddresses are the usual addresses or, where those are taken, others.
func freeAddresses() (addresses, error) {
	at := usual
	for _, address := range []*string{&at.agents, &at.clients, &at.logs} {
		l, err := net.Listen("tcp", *address)
		if err != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return at, fmt.Errorf("find a port to listen on: %w", err)
		}
		*address = l.Addr().String()
		// Until the farm has it, another program might take it; then the farm says so.
		defer l.Close()
	}
	return at, nil
}

// config is the farm's configuration file.
func (a addresses) config(p *place) string {
	return fmt.Sprintf(`# The farm of "make demo". Everything that is not here has its default:
# "tbfg config show" prints those.
state_dir = %q
grace = "1s"

[coordinator]
agent_listen = [%q]
client_listen = [%q]
derivation_substitute_urls = []  # all derivations are in the store

[front]
listen = [%q]

[local_agent]
enabled = true
name = "demo"
max_parallel_builds = 2
max_1min_load_average = 1000  # the builds mostly sleep
daemon_socket = %q
`, filepath.Join(p.dir, "state"), a.agents, a.clients, a.logs, p.socket)
}
