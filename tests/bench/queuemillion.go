package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/datastore"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// TBFG_BENCH_BUILDS says how many builds to queue, if not a million.
func init() {
	register(&race{
		name: "queue-million",
		what: "a coordinator with 1,000,000 queued builds: its start, what an agent waits for a build, memory, database",
		measure: func(ctx context.Context, s *setup) (figure, error) {
			n, few := 1_000_000, 1_500 // finishing 1,000 of the few leaves 1,000 on average
			if text := os.Getenv("TBFG_BENCH_BUILDS"); text != "" {
				var err error
				if n, err = strconv.Atoi(text); err != nil || n < few {
					return figure{}, fmt.Errorf("TBFG_BENCH_BUILDS=%s must be a number, at least %d", text, few)
				}
			}
			m, roots, err := s.realGraph(ctx)
			if err != nil {
				return figure{}, err
			}
			graph, err := nodes(m, roots)
			if err != nil {
				return figure{}, err
			}
			program, err := s.program(ctx)
			if err != nil {
				return figure{}, err
			}
			small, err := newQueue(ctx, s, graph, few)
			if err != nil {
				return figure{}, err
			}
			large, err := newQueue(ctx, s, graph, n)
			if err != nil {
				return figure{}, err
			}
			unix.Sync() // the disk must not be busy with what came before

			var starts []float64
			for i := range 3 {
				took, err := large.serve(ctx, s, program)
				if err != nil {
					return figure{}, err
				}
				starts = append(starts, took)
				if i < 2 {
					if err := large.stop(); err != nil {
						return figure{}, err
					}
				}
			}
			s.progress(fmt.Sprintf("starts: %.3g s", starts))
			if _, err := small.serve(ctx, s, program); err != nil {
				return figure{}, err
			}
			var fast, slow []time.Duration
			for range 10 {
				for _, side := range []struct {
					q    *queue
					into *[]time.Duration
				}{{small, &fast}, {large, &slow}} {
					waits, err := side.q.work(ctx, 100)
					if err != nil {
						return figure{}, err
					}
					*side.into = append(*side.into, waits...)
				}
			}
			s.progress(fmt.Sprintf("fetch-builds: %d queued: median %v, p99 %v, most %v; %d queued: %v, %v, %v",
				few, percentile(fast, 50), percentile(fast, 99), percentile(fast, 100),
				n, percentile(slow, 50), percentile(slow, 99), percentile(slow, 100)))
			rss, err := large.memory("VmRSS")
			if err != nil {
				return figure{}, err
			}
			most, err := large.memory("VmHWM")
			if err != nil {
				return figure{}, err
			}
			s.progress(fmt.Sprintf("memory: %.0f MB, at most %.0f MB", rss, most))
			one := func(name, unit string, g goal, value float64) figure {
				return figure{race: &race{name: name, unit: unit, goal: g}, ours: []float64{value}}
			}
			p99, base := milliseconds(percentile(slow, 99)), milliseconds(percentile(fast, 99))
			growth := one("queue-growth", "ms", atMost(2), p99)
			growth.peers = []float64{base}
			start := one("queue-start", "s", atMost(5), 0)
			start.ours = starts
			start.more = []figure{
				one("queue-fetch", "ms", atMost(5), p99),
				growth,
				one("queue-memory", "MB", atMost(600), rss),
				one("queue-bytes", "bytes/build", goal{}, large.bytes),
			}
			return start, nil
		},
	})
}

// A queue is the state of a coordinator with many builds, and one agent.
type queue struct {
	state    string
	systems  []string
	bytes    float64 // of the database, for each build
	agent    string
	password string
	cmd      *exec.Cmd
	client   *agentapi.Client
}

func newQueue(ctx context.Context, s *setup, graph []node, n int) (*queue, error) {
	state, err := s.fresh()
	if err != nil {
		return nil, err
	}
	q := &queue{state: state}
	for _, node := range graph {
		if !slices.Contains(q.systems, node.System) {
			q.systems = append(q.systems, node.System)
		}
	}
	err = coordinate(ctx, state, "", func(c *coordinator.Coordinator) (err error) {
		if q.agent, err = c.NewAgent(ctx, "", "bench", ""); err == nil {
			q.password, err = c.NewPassword(ctx, q.agent)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := q.fill(ctx, s, graph, n); err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Join(state, "tbfg.db"))
	if err != nil {
		return nil, err
	}
	q.bytes = float64(info.Size()) / float64(n)
	s.progress(fmt.Sprintf("stored %d builds in %.3g s", n, time.Since(start).Seconds()))
	return q, nil
}

// fill stores n builds: copies of a graph under other names, the last one cut off
// where n ends. What a derivation needs always comes before it.
func (q *queue) fill(ctx context.Context, s *setup, graph []node, n int) (err error) {
	store, err := datastore.Open(ctx, filepath.Join(q.state, "tbfg.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now()
	for done, i := 0, 0; done < n; i++ {
		if i > 0 && i%20 == 0 {
			s.progress(fmt.Sprintf("stored %d builds", done))
		}
		part := copyOf(graph[:min(len(graph), n-done)], i)
		done += len(part)
		err := store.Update(ctx, func(tx *datastore.Tx) error {
			if err := tx.InsertGraph(ctx, unstored(part)...); err != nil {
				return err
			}
			for _, node := range part {
				id, err := tx.DerivationID(ctx, node.Path)
				if err != nil {
					return err
				}
				if _, err := tx.InsertBuild(ctx, id, daemon.Build{UUID: uuid.NewString(), Created: now}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyOf is a graph with all store paths changed in the same way, by the number of
// the copy.
func copyOf(graph []node, number int) []node {
	const digits = "0123456789abcdfghijklmnpqrsvwxyz"
	mark := []byte("0000")
	for i := range mark {
		mark[i] = digits[number%len(digits)]
		number /= len(digits)
	}
	hash := len(storepath.DefaultDir) + len("/")
	renamed := make(map[storepath.Path]storepath.Path, 2*len(graph))
	rename := func(path storepath.Path) storepath.Path {
		if renamed[path] == "" {
			renamed[path] = path[:hash] + storepath.Path(mark) + path[hash+len(mark):]
		}
		return renamed[path]
	}
	copied := make([]node, len(graph))
	for i, n := range graph {
		drv := &derivation.Derivation{System: n.System}
		for _, o := range n.Outputs {
			o.Path = rename(o.Path)
			drv.Outputs = append(drv.Outputs, o)
		}
		for _, in := range n.Inputs {
			drv.Inputs = append(drv.Inputs, derivation.Input{Path: rename(in.Path), Outputs: in.Outputs})
		}
		copied[i] = node{rename(n.Path), drv}
	}
	return copied
}

// serve starts "tbfg serve" and returns how many seconds passed until the agent had
// a build.
func (q *queue) serve(ctx context.Context, s *setup, program string) (seconds float64, err error) {
	agents, err := freeAddress()
	if err != nil {
		return 0, err
	}
	clients, err := freeAddress()
	if err != nil {
		return 0, err
	}
	config := filepath.Join(q.state, "tbfg.toml")
	text := fmt.Sprintf("state_dir = %q\n[coordinator]\nagent_listen = [%q]\nclient_listen = [%q]\n[front]\nlisten = []\n", q.state, agents, clients)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return 0, err
	}
	q.client = agentapi.NewClient("http://"+agents, q.agent, q.password)
	q.cmd = exec.Command(program, "serve", "--config="+config)
	log := new(bytes.Buffer)
	q.cmd.Stderr = log
	start := time.Now()
	if err := q.cmd.Start(); err != nil {
		return 0, err
	}
	s.later(q.stop)
	for {
		fetched, err := q.client.FetchBuilds(ctx, q.systems, 1, 0)
		if err == nil && len(fetched.Builds) == 1 {
			return time.Since(start).Seconds(), q.end(ctx, fetched.Builds[0])
		}
		if ctx.Err() != nil || time.Since(start) > 5*time.Minute {
			return 0, fmt.Errorf("tbfg serve gave no build: %v", errors.Join(err, q.stop(), errors.New(log.String())))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// stop ends the server, if there is one.
func (q *queue) stop() error {
	if q.cmd == nil {
		return nil
	}
	cmd := q.cmd
	q.cmd = nil
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		return errors.Join(err, cmd.Wait())
	}
	return cmd.Wait()
}

// work has the agent do n builds and returns how long it waited for each.
func (q *queue) work(ctx context.Context, n int) (waits []time.Duration, err error) {
	for range n {
		start := time.Now()
		fetched, err := q.client.FetchBuilds(ctx, q.systems, 1, 0)
		waits = append(waits, time.Since(start))
		if err != nil {
			return nil, err
		}
		if len(fetched.Builds) != 1 {
			return nil, fmt.Errorf("the agent got %d builds, want 1", len(fetched.Builds))
		}
		if err := q.end(ctx, fetched.Builds[0]); err != nil {
			return nil, err
		}
	}
	return waits, nil
}

func (q *queue) end(ctx context.Context, build daemon.Allocation) error {
	if err := q.client.ReportStart(ctx, build.UUID); err != nil {
		return err
	}
	return q.client.ReportResult(ctx, build.UUID, daemon.Result{Success: true, Ended: time.Now()})
}

func (q *queue) memory(field string) (float64, error) { return processMemory(q.cmd.Process.Pid, field) }

// processMemory is a figure of a process from /proc, in MB.
func processMemory(pid int, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kB float64
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			_, err := fmt.Sscan(rest, &kB)
			return kB * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("the kernel tells no %s", field)
}

// percentile is the wait that so many of a hundred do not exceed.
func percentile(waits []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(waits))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
