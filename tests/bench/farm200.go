package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// On both sides the time is what passes for a user: from the start of the command that
// is given the derivations until the last one is built. Guile takes a
// while to start, and our command submits builds one by one. Each run has
// derivations of its own.
func init() {
	register(&race{
		name:    "farm-200",
		what:    "building 200 tiny derivations on one machine, two at a time, submission included",
		peer:    "guix build -M2 on the same guix-daemon",
		unit:    "s",
		goal:    atMost(1.1),
		runs:    9,
		prepare: farm200("", ""),
	})
	register(&race{
		name:    "farm-200-kept",
		what:    "the same, where the farm keeps the outputs, which its agent sends it as zstd",
		peer:    "guix build -M2 on the same guix-daemon, which does no such thing",
		unit:    "s",
		goal:    atMost(1.35),
		runs:    9,
		prepare: farm200("keep_outputs = true", `output_compression = "zstd"`),
	})
}

// farm200 prepares the race with a farm that has some keys set.
func farm200(coordinator, localAgent string) func(context.Context, *setup) (ours, peers side, err error) {
	return func(ctx context.Context, s *setup) (ours, peers side, err error) {
		m, shop, f, err := s.farm(ctx, coordinator, "enabled = true\nmax_parallel_builds = 2\n"+localAgent)
		if err != nil {
			return nil, nil, err
		}
		batches := 0
		batch := func(ctx context.Context, n int) ([]string, error) {
			batches++
			drvs, err := shop.AddMany(ctx, n, toy.Recipe{Name: fmt.Sprintf("tiny-%d", batches), Script: `echo "$number" >"$out"`})
			return paths(drvs), err
		}
		ours = func(ctx context.Context) (float64, error) {
			drvs, err := batch(ctx, 200)
			if err != nil {
				return 0, err
			}
			start := time.Now()
			err = f.build(ctx, drvs)
			took := time.Since(start).Seconds()
			if err == nil {
				err = f.succeeded(ctx)
			}
			return took, err
		}
		peers = func(ctx context.Context) (float64, error) {
			drvs, err := batch(ctx, 200)
			if err != nil {
				return 0, err
			}
			start := time.Now()
			err = guixBuild(ctx, m, drvs)
			return time.Since(start).Seconds(), err
		}
		// Warm up: programs and their files come into memory.
		drvs, err := batch(ctx, 4)
		if err == nil {
			err = f.build(ctx, drvs[:2])
		}
		if err == nil {
			err = guixBuild(ctx, m, drvs[2:])
		}
		return ours, peers, err
	}
}

func paths(drvs []*toy.Drv) []string {
	names := make([]string, len(drvs))
	for i, drv := range drvs {
		names[i] = string(drv.Path)
	}
	return names
}

func guixBuild(ctx context.Context, m *machine.Machine, drvs []string) error {
	// Without --no-offload it would start one more Guile: slower by far.
	_, err := m.Run(ctx, "guix", append([]string{"build", "-M2", "--no-offload"}, drvs...)...)
	return err
}

// A farm is a running "tbfg serve" with its own agent.
type farm struct {
	program     string
	coordinator string
	agents      string // where agents connect
	front       string // URL of the logs
	client      *clientapi.Client
}

// farm is a machine with a farm that has some keys set, and a shop that its
// derivations come from.
func (s *setup) farm(ctx context.Context, coordinator, localAgent string) (m *machine.Machine, shop *toy.Shop, f *farm, err error) {
	if m, err = s.machine(ctx); err != nil {
		return nil, nil, nil, err
	}
	if shop, err = s.shop(ctx, m); err != nil {
		return nil, nil, nil, err
	}
	program, err := s.program(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	f, err = serve(ctx, m, program, coordinator, localAgent)
	return m, shop, f, err
}

// serve starts a farm in a machine, with some keys set.
func serve(ctx context.Context, m *machine.Machine, program, coordinator, localAgent string) (*farm, error) {
	agents, err := freeAddress()
	if err != nil {
		return nil, err
	}
	clients, err := freeAddress()
	if err != nil {
		return nil, err
	}
	front, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`
state_dir = "/var/lib/tbfg"
[coordinator]
agent_listen = [%q]
client_listen = [%q]
%s
[front]
listen = [%q]
[local_agent]
%s
max_1min_load_average = 1000  # other programs may be what makes the load
`, agents, clients, coordinator, front, localAgent)
	if err := m.WriteFile("/etc/tbfg.toml", []byte(config), 0o644); err != nil {
		return nil, err
	}
	if err := m.Install(program, "/bin/tbfg"); err != nil {
		return nil, err
	}
	p, err := m.Launch("tbfg", m.Command(context.Background(), "tbfg", "serve", "--config=/etc/tbfg.toml"))
	if err != nil {
		return nil, err
	}
	if err := p.WaitAccept(ctx, "tcp", clients); err != nil {
		return nil, err
	}
	return &farm{program, "http://" + clients, agents, "http://" + front, clientapi.NewClient("http://" + clients)}, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// build submits derivations and waits until none is under way.
func (f *farm) build(ctx context.Context, drvs []string) error {
	if err := f.submit(ctx, drvs); err != nil {
		return err
	}
	return f.wait(ctx)
}

// submit submits derivations as people do.
func (f *farm) submit(ctx context.Context, drvs []string) error {
	cmd := exec.CommandContext(ctx, f.program, "build", "--coordinator="+f.coordinator, "-")
	cmd.Stdin = strings.NewReader(strings.Join(drvs, "\n"))
	var diag bytes.Buffer
	cmd.Stderr = &diag
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tbfg build: %w: %s", err, &diag)
	}
	return nil
}

// wait waits until no build is under way.
func (f *farm) wait(ctx context.Context) error {
	for {
		running := false
		err := f.client.Builds(ctx, url.Values{"processed": {"false"}}, 1, func(wire.Build) error {
			running = true
			return nil
		})
		if err != nil {
			return err
		}
		if !running {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // asking more often would take part in the race
	}
}

// succeeded checks that all builds until now are successes.
func (f *farm) succeeded(ctx context.Context) error {
	return f.client.Builds(ctx, url.Values{}, 0, func(b wire.Build) error {
		if b.State != daemon.Succeeded {
			return fmt.Errorf("the build of %s is %s", b.Derivation, b.State)
		}
		return nil
	})
}
