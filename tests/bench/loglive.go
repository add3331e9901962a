package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/tests/toy"

	"golang.org/x/sync/errgroup"
)

// From the moment when a builder writes a line to the moment when a reader of
// the log endpoint has it: through guix-daemon, the agent, the coordinator and
// the front, all real. Nobody else does the same.
func init() {
	register(&race{
		name: "log-live",
		what: fmt.Sprintf("from a line that a builder writes to its %d readers, of %d builds with %d lines a second each (99th percentile)",
			liveReaders, liveBuilds, time.Second/livePause),
		unit: "ms",
		goal: atMost(250),
		runs: 3,
		prepare: func(ctx context.Context, s *setup) (ours, peers side, err error) {
			_, shop, f, err := s.farm(ctx, "", fmt.Sprintf("enabled = true\nmax_parallel_builds = %d", liveBuilds))
			if err != nil {
				return nil, nil, err
			}
			runs := 0
			return func(ctx context.Context) (float64, error) {
				runs++
				drvs, err := shop.AddMany(ctx, liveBuilds, toy.Recipe{Name: fmt.Sprintf("talker-%d", runs), Script: talker()})
				if err != nil {
					return 0, err
				}
				took, err := f.liveLatency(ctx, paths(drvs))
				if err != nil {
					return 0, err
				}
				slices.Sort(took)
				at := func(percent int) float64 { return float64(took[(len(took)-1)*percent/100].Microseconds()) / 1000 }
				s.progress(fmt.Sprintf("%d lines read: median %s ms, 99th percentile %s ms, slowest %s ms",
					len(took), short(at(50)), short(at(99)), short(at(100))))
				return at(99), nil
			}, nil, nil
		},
	})
}

const (
	liveBuilds  = 4
	liveReaders = 100
	liveLines   = 400
	livePause   = 25 * time.Millisecond
	liveLead    = 3 * time.Second // for the readers to come
)

// talker is a builder whose lines say when they were written, by the clock that
// is ours, too. It waits without starting a program, which takes milliseconds.
func talker() string {
	return fmt.Sprintf(`
mkfifo never
exec 3<>never
pause() { read -t "$1" -u 3 || true; }
echo "$EPOCHREALTIME begins"
pause %g
for ((n = 0; n < %d; n++)); do
    echo "$EPOCHREALTIME checking for gcc... gcc"
    pause %g
done
echo "$number" >"$out"`, liveLead.Seconds(), liveLines, livePause.Seconds())
}

// liveLatency has derivations built and their logs read meanwhile, and returns
// how long each line took to each reader.
func (f *farm) liveLatency(ctx context.Context, drvs []string) ([]time.Duration, error) {
	if err := f.submit(ctx, drvs); err != nil {
		return nil, err
	}
	var builds []string
	err := f.client.Builds(ctx, url.Values{"processed": {"false"}}, 0, func(b wire.Build) error {
		builds = append(builds, b.UUID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(builds) != len(drvs) {
		return nil, fmt.Errorf("%d builds are under way, want %d", len(builds), len(drvs))
	}
	var mu sync.Mutex // guards took
	var took []time.Duration
	group, reading := errgroup.WithContext(ctx)
	for n := range liveReaders {
		group.Go(func() error {
			log, err := f.liveLog(reading, builds[n%len(builds)])
			if err != nil {
				return err
			}
			defer log.Close()
			mine, err := latencies(log, time.Now())
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return took, f.succeeded(ctx)
}

// liveLog waits until a build has a log under way, and is that.
func (f *farm) liveLog(ctx context.Context, build string) (io.ReadCloser, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.front+"/build/"+build+"/log", nil)
		if err != nil {
			return nil, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			return resp.Body, nil
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			return nil, fmt.Errorf("the log of build %s: %s", build, resp.Status)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// latencies reads the whole log of a talker, and returns how long its lines
// took to get here. The one that was there before says nothing about that.
func latencies(log io.Reader, here time.Time) (took []time.Duration, err error) {
	lines := bufio.NewScanner(log)
	for first := true; lines.Scan(); first = false {
		now := time.Now()
		text, _, _ := strings.Cut(lines.Text(), " ")
		micros, err := strconv.ParseInt(strings.Replace(text, ".", "", 1), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a line of a builder: %w", err)
		}
		written := time.UnixMicro(micros)
		switch {
		case first:
		case written.Before(here):
			return nil, errors.New("a reader came after the builder had begun to write")
		default:
			took = append(took, now.Sub(written))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(took) != liveLines {
		return nil, fmt.Errorf("a reader got %d lines, want %d", len(took), liveLines)
	}
	return took, nil
}
