package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/substitutes"
	"codeberg.org/tbfg/tbfg/nix/storepath"

	"golang.org/x/sys/unix"
)

// maxDerivation is more than any real .drv file has, in bytes.
const maxDerivation = 32 << 20

// atLeastRead is more than nearly all have.
const atLeastRead = 64 << 10

// fetchDerivation returns the function by which the coordinator gets the
// text of a derivation from substitute servers.
func fetchDerivation() func(context.Context, []string, storepath.Path) ([]byte, error) {
	client := new(substitutes.Client)
	return func(ctx context.Context, urls []string, path storepath.Path) ([]byte, error) {
		if len(urls) == 0 {
			return nil, daemon.Errorf(daemon.NotFound, "%s is not in the store here, and there are no substitute URLs to ask for it", path)
		}
		text, err := client.Derivation(ctx, urls, path)
		var missing *substitutes.NotFoundError
		switch {
		case errors.As(err, &missing):
			err = daemon.Errorf(daemon.NotFound, "%v", err)
		case err != nil && ctx.Err() == nil:
			err = daemon.Errorf(daemon.Unavailable, "%v", err)
		}
		return text, err
	}
}

// readDerivation appends a file of the store to buf. A graph is thousands of
// small ones, and what package os does besides opening and reading costs as much
// as these.
func readDerivation(path storepath.Path, buf []byte) ([]byte, error) {
	if path.Dir() != storepath.DefaultDir {
		return buf, daemon.Errorf(daemon.Invalid, "%s is not in the store %s", path, storepath.DefaultDir)
	}
	fd, err := again(func() (int, error) { return unix.Open(string(path), unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return buf, &fs.PathError{Op: "open", Path: string(path), Err: err}
	}
	defer unix.Close(fd)
	for {
		buf = slices.Grow(buf, atLeastRead)
		room := buf[len(buf):cap(buf)]
		n, err := again(func() (int, error) { return unix.Read(fd, room) })
		if err != nil {
			return buf, &fs.PathError{Op: "read", Path: string(path), Err: err}
		}
		buf = buf[:len(buf)+n]
		if len(buf) > maxDerivation {
			return buf, daemon.Errorf(daemon.TooLarge, "%s is larger than %d bytes", path, maxDerivation)
		}
		if n < len(room) {
			return buf, nil // a short count from a plain file means its end
		}
	}
}

// again repeats a system call that a signal interrupts.
func again(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}
