package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"

	"golang.org/x/sync/errgroup"
)

// The agents are in the same process as the coordinator; what they need of the
// processors is part of the whole of which the scheduler has a share.
func init() {
	register(&race{
		name: "agents-50",
		what: "50 agents over HTTP that build Guix's algebra and maths packages in no time, and the scheduler's share of the processors",
		measure: func(ctx context.Context, s *setup) (figure, error) {
			m, roots, err := s.realGraph(ctx)
			if err != nil {
				return figure{}, err
			}
			graph, err := nodes(m, roots)
			if err != nil {
				return figure{}, err
			}
			var systems []string
			for _, n := range graph {
				if !slices.Contains(systems, n.System) {
					systems = append(systems, n.System)
				}
			}
			rate := figure{race: &race{name: "agents-50", unit: "builds/s"}}
			share := figure{race: &race{name: "agents-50-scheduler", unit: "%"}}
			for i := range 3 {
				state, err := s.fresh()
				if err != nil {
					return figure{}, err
				}
				if err := storeGraph(ctx, state, graph); err != nil {
					return figure{}, err
				}
				profile := filepath.Join(state, "profile")
				var perSecond float64
				err = coordinate(ctx, state, m.Path("/gnu/store"), func(c *coordinator.Coordinator) error {
					builds, err := submitAll(ctx, c, roots, 8, true)
					if err != nil {
						return err
					}
					took, err := profiled(profile, func() error { return workOff(ctx, c, systems, builds) })
					perSecond = float64(builds) / took.Seconds()
					return err
				})
				if err != nil {
					return figure{}, err
				}
				percent, err := shareOf(ctx, profile, `daemon/scheduler\.`)
				if err != nil {
					return figure{}, err
				}
				s.progress(fmt.Sprintf("run %d of 3: %s builds/s, the scheduler %s %%", i+1, short(perSecond), short(percent)))
				rate.ours, share.ours = append(rate.ours, perSecond), append(share.ours, percent)
			}
			rate.more = []figure{share}
			return rate, nil
		},
	})
}

// profiled runs f and writes where the processors were meanwhile.
func profiled(file string, f func() error) (took time.Duration, err error) {
	out, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return 0, err
	}
	defer pprof.StopCPUProfile()
	start := time.Now()
	err = f()
	return time.Since(start), err
}

// shareOf is how many of a hundred samples were in functions, or what these
// called.
func shareOf(ctx context.Context, profile, functions string) (percent float64, err error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-focus="+functions, profile).Output()
	if err != nil {
		return 0, fmt.Errorf("read the profile: %w", err)
	}
	// "Showing nodes accounting for 0.12s, 1.08% of 11.15s total"
	_, rest, found := strings.Cut(string(out), "accounting for ")
	if !found {
		return 0, nil // no sample
	}
	_, rest, _ = strings.Cut(rest, ", ")
	if _, err := fmt.Sscanf(rest, "%f%%", &percent); err != nil {
		return 0, fmt.Errorf("pprof said %.200q: %w", out, err)
	}
	return percent, nil
}

// workOff has 50 agents do so many builds.
func workOff(ctx context.Context, c *coordinator.Coordinator, systems []string, builds int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: agentapi.Handler(c, http.NotFoundHandler())}
	go server.Serve(l)
	defer server.Close()
	var left atomic.Int64
	left.Store(int64(builds))
	group, ctx := errgroup.WithContext(ctx)
	rest, done := context.WithCancel(ctx)
	defer done()
	for i := range 50 {
		id, err := c.NewAgent(ctx, "", fmt.Sprintf("agent-%d", i), "")
		if err != nil {
			return err
		}
		password, err := c.NewPassword(ctx, id)
		if err != nil {
			return err
		}
		client := agentapi.NewClient("http://"+l.Addr().String(), id, password)
		group.Go(func() error {
			for {
				fetched, err := client.FetchBuilds(rest, systems, 1, 10*time.Second)
				if rest.Err() != nil && ctx.Err() == nil {
					return nil // all is done
				}
				if err != nil {
					return err
				}
				for _, b := range fetched.Builds {
					if err := client.ReportStart(ctx, b.UUID); err != nil {
						return err
					}
					if err := client.ReportResult(ctx, b.UUID, daemon.Result{Success: true, Ended: time.Now()}); err != nil {
						return err
					}
					if left.Add(-1) == 0 {
						done()
					}
				}
			}
		})
	}
	return group.Wait()
}
