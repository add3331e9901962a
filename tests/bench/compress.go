package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/agent/courier"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/tests/machine"
)

// Outputs are compressed by one goroutine, and by a program with one thread.
// The time is the processor's, so that other programs do not count. What is compressed is a part of the NAR of /usr/share of a Guix machine, in
// memory.
func init() {
	for _, c := range []struct {
		compression string
		peer        []string
		size        int
		speed, more goal
	}{
		{"lzip", []string{"lzip", "-6", "-c"}, 8_000_000, atLeast(0.8), atMost(1.15)},
		{"zstd", []string{"zstd", "-3", "-T1", "-q", "-c"}, 100_000_000, atLeast(0.5), atMost(1.1)},
	} {
		name := "out-" + c.compression
		register(&race{
			name: name,
			what: "compressing outputs as " + c.compression + ": speed, and the size of what comes of it",
			measure: func(ctx context.Context, s *setup) (figure, error) {
				data, err := narOfShare(ctx, c.size)
				if err != nil {
					return figure{}, err
				}
				peer := fmt.Sprint(c.peer)
				speed := figure{race: &race{name: name, peer: peer, unit: "MB/s", goal: c.speed}}
				size := figure{race: &race{name: name + "-size", peer: peer, unit: "MB", goal: c.more}}
				for i := range 3 {
					for turn := range 2 {
						if (i+turn)%2 == 0 {
							n, took, err := compressOurs(c.compression, data)
							if err != nil {
								return figure{}, err
							}
							speed.ours = append(speed.ours, float64(len(data))/1e6/took.Seconds())
							size.ours = append(size.ours, float64(n)/1e6)
							continue
						}
						n, took, err := compressPeers(ctx, c.peer, data)
						if err != nil {
							return figure{}, err
						}
						speed.peers = append(speed.peers, float64(len(data))/1e6/took.Seconds())
						size.peers = append(size.peers, float64(n)/1e6)
					}
					s.progress(fmt.Sprintf("run %d of 3", i+1))
				}
				speed.more = []figure{size}
				return speed, nil
			},
		})
	}
}

func narOfShare(ctx context.Context, size int) ([]byte, error) {
	root, err := machine.FindRoot(ctx)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(nar.Dump(w, filepath.Join(root, "usr/share"))) }()
	data := make([]byte, size)
	_, err = io.ReadFull(r, data)
	return data, err
}

func compressOurs(compression string, data []byte) (int64, time.Duration, error) {
	var n written
	start := processorTime()
	z, err := courier.NewCompressor(compression, &n)
	if err != nil {
		return 0, 0, err
	}
	if _, err := z.Write(data); err != nil {
		return 0, 0, err
	}
	err = z.Close()
	return int64(n), processorTime() - start, err
}

func compressPeers(ctx context.Context, command []string, data []byte) (int64, time.Duration, error) {
	var n written
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &n, os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, 0, err
	}
	return int64(n), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// written counts bytes.
type written int64

func (w *written) Write(p []byte) (int, error) {
	*w += written(len(p))
	return len(p), nil
}
