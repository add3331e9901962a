package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/substitutes"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// maxDerivation is more than any real .drv file has, in bytes.
const maxDerivation = 32 << 20

// fetchDerivation returns the function by which the coordinator gets the
// text of a derivation: from the store of this machine or from a substitute
// server.
func fetchDerivation() func(context.Context, []string, storepath.Path) ([]byte, error) {
	client := new(substitutes.Client)
	return func(ctx context.Context, urls []string, path storepath.Path) ([]byte, error) {
		if path.Dir() != storepath.DefaultDir {
			return nil, daemon.Errorf(daemon.Invalid, "%s is not in the store %s", path, storepath.DefaultDir)
		}
		text, err := readLocal(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
		if len(urls) == 0 {
			return nil, daemon.Errorf(daemon.NotFound, "%s is not in the store here, and there are no substitute URLs to ask for it", path)
		}
		text, err = client.Derivation(ctx, urls, path)
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

func readLocal(path storepath.Path) ([]byte, error) {
	f, err := os.Open(string(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDerivation+1))
	if err == nil && len(text) > maxDerivation {
		err = daemon.Errorf(daemon.TooLarge, "%s is larger than %d bytes", path, maxDerivation)
	}
	return text, err
}
