package main

import (
	"context"
	"fmt"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// What an agent by itself costs, in a process of its own: its memory, idle, and the
// most that it had when it has sent a large output; its processor time for a tiny
// build with an output that is sent. As lzip the large output is a smaller one: that
// takes minutes, and memory does not depend on it.
func init() {
	register(&race{
		name: "agent-memory",
		what: "resident memory of an agent, idle and while it sends outputs",
		measure: func(ctx context.Context, s *setup) (figure, error) {
			one := func(name string, most float64) figure {
				return figure{race: &race{name: "agent-memory-" + name, unit: "MB", goal: atMost(most)}}
			}
			m, shop, f, err := s.farm(ctx, "keep_outputs = true", "enabled = false")
			if err != nil {
				return figure{}, err
			}
			a, err := newKeeper(ctx, m, f)
			if err != nil {
				return figure{}, err
			}
			cpu := figure{race: &race{name: "agent-cpu", unit: "ms/build"}}
			idle, zstd, lzip := one("idle", 30), one("zstd", 60), one("lzip", 110)
			for _, part := range []struct {
				compression string
				megabytes   int
				figure      *figure
			}{{"zstd", 2000, &zstd}, {"lzip", 40, &lzip}} {
				p, err := a.run(ctx, part.compression)
				if err != nil {
					return figure{}, err
				}
				if mb, err := processMemory(p.Pid(), "VmRSS"); err != nil {
					return figure{}, err
				} else {
					idle.ours = append(idle.ours, mb)
				}
				if part.compression == "zstd" {
					per, err := a.costOf(ctx, p, shop, 100)
					if err != nil {
						return figure{}, err
					}
					cpu.ours = []float64{per}
				}
				// Half of each block is random.
				drv, err := shop.Add(ctx, toy.Recipe{Name: "large-" + part.compression, Script: fmt.Sprintf(
					`for i in $(seq %d); do dd if=/dev/urandom bs=500000 count=1; dd if=/dev/zero bs=500000 count=1; done >"$out" 2>/dev/null`, part.megabytes)})
				if err != nil {
					return figure{}, err
				}
				s.progress(fmt.Sprintf("%d MB as %s", part.megabytes, part.compression))
				if err := a.build(ctx, drv); err != nil {
					return figure{}, err
				}
				mb, err := processMemory(p.Pid(), "VmHWM")
				if err != nil {
					return figure{}, err
				}
				part.figure.ours = []float64{mb}
				p.Stop(10 * time.Second)
			}
			idle.more = []figure{zstd, lzip, cpu}
			return idle, nil
		},
	})
}

// keeper is a farm that keeps outputs, with an agent that can be run.
type keeper struct {
	*machine.Machine
	*farm
	id          string
	passwordArg string
}

func newKeeper(ctx context.Context, m *machine.Machine, f *farm) (k *keeper, err error) {
	k = &keeper{Machine: m, farm: f, passwordArg: "--password-file=/etc/tbfg-password"}
	k.id, err = k.client.NewAgent(ctx, "bench", "")
	if err != nil {
		return nil, err
	}
	password, err := k.client.NewPassword(ctx, k.id)
	if err != nil {
		return nil, err
	}
	return k, m.WriteFile("/etc/tbfg-password", []byte(password+"\n"), 0o600)
}

// run runs the agent, and returns once it is idle.
func (k *keeper) run(ctx context.Context, compression string) (*machine.Process, error) {
	config := fmt.Sprintf("[agent]\noutput_compression = %q\nmax_1min_load_average = 1000\n", compression)
	if err := k.WriteFile("/etc/tbfg-agent.toml", []byte(config), 0o644); err != nil {
		return nil, err
	}
	p, err := k.Launch("agent", k.Command(context.Background(), "tbfg", "agent", "run", "--config=/etc/tbfg-agent.toml",
		"--coordinator=http://"+k.agents, "--uuid="+k.id, k.passwordArg))
	if err != nil {
		return nil, err
	}
	_, err = p.WaitLine(ctx, "currently allocated 0 builds")
	return p, err
}

// costOf is the agent's processor time for each of n tiny builds, in ms.
func (k *keeper) costOf(ctx context.Context, agent *machine.Process, shop *toy.Shop, n int) (float64, error) {
	drvs, err := shop.AddMany(ctx, n, toy.Recipe{Name: "tiny", Script: `echo "$number" >"$out"`})
	if err != nil {
		return 0, err
	}
	before, err := processTime(agent.Pid())
	if err != nil {
		return 0, err
	}
	for _, drv := range drvs {
		if _, err := k.client.Submit(ctx, daemon.Submission{Derivation: drv.Path}); err != nil {
			return 0, err
		}
	}
	if err := k.wait(ctx); err != nil {
		return 0, err
	}
	after, err := processTime(agent.Pid())
	return (after - before).Seconds() * 1000 / float64(n), err
}

func (k *keeper) build(ctx context.Context, drv *toy.Drv) error {
	done, err := k.client.Submit(ctx, daemon.Submission{Derivation: drv.Path})
	if err != nil {
		return err
	}
	for {
		b, err := k.client.Build(ctx, done.Submitted)
		switch {
		case err != nil:
			return err
		case b.State == daemon.Succeeded:
			return nil
		case b.State.Finished():
			return fmt.Errorf("the build is %s: %s", b.State, b.FailureReason)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
