package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/tests/nginx"

	"golang.org/x/sync/errgroup"
)

// Both servers are processes of their own on the same directory of logs; the
// clients are in this one.
func init() {
	peer := "nginx with the post's configuration"
	register(&race{name: "log-gzip", what: "logs of 50 kB, as they lie, over 16 connections", peer: peer, unit: "requests/s",
		goal: atLeast(0.8), runs: 7,
		prepare: func(ctx context.Context, s *setup) (side, side, error) { return s.logServers(ctx, 50_000, true) }})
	register(&race{name: "log-text", what: "logs of 1 MB to clients that do not accept gzip, over 16 connections", peer: peer,
		unit: "requests/s", goal: atLeast(1), runs: 7,
		prepare: func(ctx context.Context, s *setup) (side, side, error) { return s.logServers(ctx, 1_000_000, false) }})
}

const (
	logConnections = 16
	logFiles       = 64
	logRunTime     = 2 * time.Second
)

// logServers starts both on logs of a size, compressed or not.
func (s *setup) logServers(ctx context.Context, size int, compressed bool) (ours, peers side, err error) {
	state, err := os.MkdirTemp("", "tbfg-bench-")
	if err != nil {
		return nil, nil, err
	}
	s.later(func() error { return os.RemoveAll(state) })
	paths, want, err := writeLogs(state, size, compressed)
	if err != nil {
		return nil, nil, err
	}
	door, err := s.door(ctx, state)
	if err != nil {
		return nil, nil, err
	}
	server, err := nginx.Start(ctx, nginx.Post, nginx.Places{Logs: filepath.Join(state, "build-logs"), BFFE: "127.0.0.1:1"})
	if err != nil {
		return nil, nil, err
	}
	s.later(server.Stop)
	at := func(address string) side {
		return func(ctx context.Context) (float64, error) { return readLogs(ctx, address, paths, want, compressed) }
	}
	return at(door), at(strings.Replace(strings.TrimPrefix(server.URL, "http://"), "localhost", "127.0.0.1", 1)), nil
}

// writeLogs writes logs of builders, and returns their paths and how many
// bytes each has for a client.
func writeLogs(state string, size int, compressed bool) (paths []string, want []int64, err error) {
	logs, err := buildlog.Open(filepath.Join(state, "build-logs"), 1<<30)
	if err != nil {
		return nil, nil, err
	}
	for n := range logFiles {
		uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		text := builderLog(uint64(n), size)
		if compressed { // a log of builders is a seventh of its text
			text = builderLog(uint64(n), 7*size)
		}
		if err := logs.Save(uuid, "none", strings.NewReader(text)); err != nil {
			return nil, nil, err
		}
		length := int64(len(text))
		if compressed {
			info, err := os.Stat(logs.File(uuid))
			if err != nil {
				return nil, nil, err
			}
			length = info.Size()
		}
		paths, want = append(paths, "/build/"+uuid+"/log"), append(want, length)
	}
	return paths, want, nil
}

// builderLog is text like that of a compilation.
func builderLog(seed uint64, size int) string {
	random := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("src lib poly matrix integer real complex ring field ideal factor lattice graph kernel module test util core")
	word := func() string { return words[random.IntN(len(words))] }
	var text strings.Builder
	for text.Len() < size {
		switch random.IntN(4) {
		case 0:
			fmt.Fprintf(&text, "checking for %s_%s_%d... yes\n", word(), word(), random.IntN(1000))
		case 1:
			fmt.Fprintf(&text, "PASS: t-%s_%s (%d.%03d s)\n", word(), word(), random.IntN(9), random.IntN(1000))
		default:
			fmt.Fprintf(&text, "libtool: compile:  gcc -DHAVE_CONFIG_H -I. -I../%s -O2 -g -Wall -MT %s-%s.lo -MD -MP -c %s_%s_%x.c  -fPIC -DPIC -o .libs/%s.o\n",
				word(), word(), word(), word(), word(), random.Uint32(), word())
		}
	}
	return text.String()[:size]
}

// door runs "tbfg serve" on a state directory and returns the address of its
// log endpoint.
func (s *setup) door(ctx context.Context, state string) (string, error) {
	program, err := s.program(ctx)
	if err != nil {
		return "", err
	}
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	conf := filepath.Join(state, "config.toml")
	text := fmt.Sprintf("state_dir = %q\n[coordinator]\nagent_listen = [\"127.0.0.1:0\"]\nclient_listen = [\"127.0.0.1:0\"]\nmin_free_space = 0\n[front]\nlisten = [%q]\n",
		state, address)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command(program, "serve", "--config="+conf)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.later(func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil
	})
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return address, conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("the farm does not listen at %s: %w", address, err)
		}
	}
}

// readLogs reads logs for a while and returns how many a second.
func readLogs(ctx context.Context, address string, paths []string, want []int64, compressed bool) (float64, error) {
	encoding := "identity"
	if compressed {
		encoding = "gzip"
	}
	requests := make([]string, len(paths))
	for i, path := range paths {
		requests[i] = "GET " + path + " HTTP/1.1\r\nHost: farm\r\nAccept-Encoding: " + encoding + "\r\n\r\n"
	}
	counts := make([]int, logConnections)
	start := time.Now()
	deadline := start.Add(logRunTime)
	group, _ := errgroup.WithContext(ctx)
	for c := range logConnections {
		group.Go(func() error {
			for n := c; time.Now().Before(deadline); {
				read, err := readOn(address, deadline, n, requests, want)
				if err != nil {
					return err
				}
				n += read
				counts[c] += read
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds(), nil
}

// readOn reads logs on one connection, until the deadline or until the server
// has enough of it, and returns how many.
func readOn(address string, deadline time.Time, first int, requests []string, want []int64) (n int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for r := bufio.NewReaderSize(conn, 64<<10); time.Now().Before(deadline); n++ {
		which := (first + n) % len(requests)
		if _, err := io.WriteString(conn, requests[which]); err != nil {
			return n, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, err
		}
		length, err := io.Copy(io.Discard, resp.Body)
		if err != nil || length != want[which] || resp.StatusCode != http.StatusOK {
			return n, fmt.Errorf("got %s with %d bytes, %v, want %d", resp.Status, length, err, want[which])
		}
		if resp.Close {
			return n + 1, nil
		}
	}
	return n, nil
}
