package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/clientapi"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// followTime is how long events are followed.
var followTime = 30 * time.Second

const (
	followers  = 1000
	eventsEach = 5 * time.Millisecond // 200 a second
)

// The followers are in this process, on the same processors as the coordinator.
func init() {
	register(&race{
		name: "events-1000",
		what: "1,000 followers of 200 events/s: from an agent's report to a follower (99th percentile), memory of each, its growth",
		measure: func(ctx context.Context, s *setup) (figure, error) {
			f, err := s.followed(ctx)
			if err != nil {
				return figure{}, err
			}
			s.later(f.stop)
			if followTime < 3*time.Second {
				return figure{}, fmt.Errorf("--follow must be at least 3s, not %v", followTime)
			}
			before, err := f.memory()
			if err != nil {
				return figure{}, err
			}
			times, samples, err := f.follow(ctx, s)
			if err != nil {
				return figure{}, err
			}
			if err := f.stop(); err != nil {
				return figure{}, err
			}
			busy := f.cmd.ProcessState.UserTime() + f.cmd.ProcessState.SystemTime()
			// The first half is for the pools to fill, and for the collector's
			// pace, which follows what is in use.
			settled := samples[len(samples)/2]
			last := samples[len(samples)-1]
			s.progress(fmt.Sprintf("%d events reached followers in %v, with %.1f s of the coordinator's processor time; median %s ms; memory before %.0f MB, then %.0f, %.0f, %.0f MB",
				times.n.Load(), followTime, busy.Seconds(), short(times.percentile(50)), before, samples[0], settled, last))
			p99 := figure{race: &race{name: "events-1000", unit: "ms", goal: atMost(100)}, ours: []float64{times.percentile(99)}}
			memory := figure{race: &race{name: "events-1000-memory", unit: "kB/follower", goal: atMost(64)},
				ours: []float64{(last - before) * 1e6 / 1024 / followers}}
			growth := figure{race: &race{name: "events-1000-growth", unit: "times", goal: atMost(1.2)}, ours: []float64{last / settled}}
			p99.more = []figure{memory, growth}
			return p99, nil
		},
	})
}

// followed is a coordinator whose events are followed.
type followed struct {
	cmd     *exec.Cmd
	clients string // address
	agent   *agentapi.Client
}

func (s *setup) followed(ctx context.Context) (*followed, error) {
	program, err := s.program(ctx)
	if err != nil {
		return nil, err
	}
	state, err := s.fresh()
	if err != nil {
		return nil, err
	}
	agents, err := freeAddress()
	if err != nil {
		return nil, err
	}
	clients, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(state, "tbfg.toml")
	text := fmt.Sprintf("state_dir = %q\n[coordinator]\nagent_listen = [%q]\nclient_listen = [%q]\n[front]\nlisten = []\n", state, agents, clients)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	f := &followed{cmd: exec.Command(program, "serve", "--config="+config), clients: clients}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	client := clientapi.NewClient("http://" + clients)
	var id string
	for start := time.Now(); id == ""; time.Sleep(10 * time.Millisecond) {
		if id, err = client.NewAgent(ctx, "bedok", ""); err != nil && (ctx.Err() != nil || time.Since(start) > time.Minute) {
			return nil, errors.Join(err, f.stop())
		}
	}
	password, err := client.NewPassword(ctx, id)
	if err != nil {
		return nil, errors.Join(err, f.stop())
	}
	f.agent = agentapi.NewClient("http://"+agents, id, password)
	return f, nil
}

func (f *followed) stop() error {
	if f.cmd.ProcessState != nil {
		return nil
	}
	return errors.Join(f.cmd.Process.Signal(unix.SIGTERM), f.cmd.Wait())
}

// memory is what the coordinator has in memory, in MB.
func (f *followed) memory() (float64, error) { return processMemory(f.cmd.Process.Pid, "VmRSS") }

// follow has all followers connect and an agent report, each time with another load,
// by which the followers know the report. It samples the memory from the second
// second on.
func (f *followed) follow(ctx context.Context, s *setup) (times *histogram, samples []float64, err error) {
	times = new(histogram)
	reports := int(followTime / eventsEach)
	sent := make([]atomic.Int64, reports+1) // nanoseconds since start
	start := time.Now()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	reading := new(errgroup.Group)
	for range followers {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", f.clients)
		if err != nil {
			return nil, nil, err
		}
		conns = append(conns, conn)
		if _, err := fmt.Fprint(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return nil, nil, err
		}
		r := bufio.NewReaderSize(conn, 8192)
		if err := header(r); err != nil {
			return nil, nil, err
		}
		reading.Go(func() error {
			for {
				n, err := nextReport(r)
				if err != nil {
					return fmt.Errorf("follow the events: %w", err)
				}
				times.add(time.Since(start) - time.Duration(sent[n].Load()))
				if n == reports {
					return nil
				}
			}
		})
	}
	reporting := new(errgroup.Group)
	reporting.SetLimit(50)
	tick := time.NewTicker(eventsEach)
	defer tick.Stop()
	for n := 1; n < reports; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if n%200 == 0 {
			m, err := f.memory()
			if err != nil {
				return nil, nil, err
			}
			samples = append(samples, m)
		}
		reporting.Go(func() error {
			sent[n].Store(int64(time.Since(start)))
			return f.agent.ReportStatus(ctx, daemon.AgentStatus{Status: "running", Load1Min: float64(n), Processors: 1}, false)
		})
	}
	if err := reporting.Wait(); err != nil {
		return nil, nil, err
	}
	sent[reports].Store(int64(time.Since(start)))
	err = f.agent.ReportStatus(ctx, daemon.AgentStatus{Status: "running", Load1Min: float64(reports), Processors: 1}, false)
	return times, samples, errors.Join(err, reading.Wait())
}

func header(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil || string(line) == "\r\n" {
			return err
		}
	}
}

// nextReport reads until an event with a load, and returns that.
func nextReport(r *bufio.Reader) (int, error) {
	key := []byte(`"load_average_1min":`)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if _, rest, found := bytes.Cut(line, key); found {
			digits, _, _ := bytes.Cut(rest, []byte(","))
			return strconv.Atoi(string(digits))
		}
	}
}

// histogram counts times by tenths of a millisecond, up to ten seconds.
type histogram struct {
	n      atomic.Int64
	counts [100_001]atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	h.n.Add(1)
	h.counts[min(max(0, int(d/(100*time.Microsecond))), len(h.counts)-1)].Add(1)
}

// percentile is in milliseconds.
func (h *histogram) percentile(p int64) float64 {
	left := h.n.Load() * p / 100
	for i := range h.counts {
		if left -= h.counts[i].Load(); left < 0 {
			return float64(i+1) / 10
		}
	}
	return float64(len(h.counts)) / 10
}
