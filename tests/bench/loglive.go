package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/front"

	"golang.org/x/sync/errgroup"
)

// From the moment when the coordinator gets a line of a log to the moment when
// a reader of the log endpoint has it. Nobody else does the same.
func init() {
	register(&race{name: "log-live", what: "from a line of a log to its 100 readers, of 4 builds with 50 lines a second each (99th percentile)",
		unit: "ms", goal: atMost(250), runs: 3,
		prepare: func(_ context.Context, s *setup) (side, side, error) {
			return func(ctx context.Context) (float64, error) { return liveLatency(ctx) }, nil, nil
		}})
}

const (
	liveBuilds  = 4
	liveReaders = 100
	liveLines   = 250
	livePause   = 20 * time.Millisecond
)

func liveLatency(ctx context.Context) (ms float64, err error) {
	dir, err := os.MkdirTemp("", "tbfg-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logs, err := buildlog.Open(filepath.Join(dir, "build-logs"), 1<<30)
	if err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: front.Handler(logs, nil, nil)} // of a log that is there nobody asks the farm
	go server.Serve(l)
	defer server.Close()

	build := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n%liveBuilds) }
	for n := range liveBuilds {
		if _, err := logs.Append(build(n), 0, nil); err != nil {
			return 0, err
		}
	}
	var mu sync.Mutex // guards took
	var took []time.Duration
	var ready sync.WaitGroup
	ready.Add(liveReaders)
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for n := range liveReaders {
		group.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+"/build/"+build(n)+"/log", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			ready.Done()
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			mine, err := latencies(resp.Body, start)
			if err == nil && len(mine) != liveLines {
				err = fmt.Errorf("a reader got %d lines, want %d", len(mine), liveLines)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			return err
		})
	}
	ready.Wait()
	for n := range liveBuilds {
		group.Go(func() error { return writeLive(logs, build(n), start) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000, nil
}

// writeLive writes lines that say when they were written.
func writeLive(logs *buildlog.Store, build string, start time.Time) error {
	size := int64(0)
	for range liveLines {
		line := fmt.Sprintf("%d checking for gcc... gcc\n", time.Since(start))
		var err error
		if size, err = logs.Append(build, size, []byte(line)); err != nil {
			return err
		}
		time.Sleep(livePause)
	}
	return logs.Finish(build, size)
}

func latencies(r io.Reader, start time.Time) (took []time.Duration, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		written, _, _ := strings.Cut(lines.Text(), " ")
		ns, err := strconv.ParseInt(written, 10, 64)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(start)-time.Duration(ns))
	}
	return took, lines.Err()
}
