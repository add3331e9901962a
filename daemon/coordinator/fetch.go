package coordinator

import (
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// readDerivation reads one derivation in the store of this machine, without its
// arguments and environment. The error is [fs.ErrNotExist] if it is not there.
// That the text belongs to the path is the guix-daemon's word, as for all in
// Guix that reads the store.
func (c *Coordinator) readDerivation(path storepath.Path) (*derivation.Derivation, error) {
	if c.Read == nil {
		return nil, fs.ErrNotExist
	}
	text, err := c.Read(path)
	if err != nil {
		return nil, err
	}
	return parseDerivation(path, text)
}

// fetchDerivation gets one from a server. A derivation's path follows from its
// text: a server cannot pass another one off, signed or not.
func (c *Coordinator) fetchDerivation(urls []string, path storepath.Path) (*derivation.Derivation, error) {
	text, err := c.fetch(urls, path)
	if err != nil {
		return nil, err
	}
	drv, err := parseDerivation(path, text)
	if err != nil {
		return nil, err
	}
	own, err := drv.TextPath(path.Dir(), strings.TrimSuffix(path.Name(), ".drv"), text)
	if err != nil || own != path {
		return nil, daemon.Errorf(daemon.Invalid, "what was fetched as %s is another derivation (%s)", path, own)
	}
	return drv, nil
}

func parseDerivation(path storepath.Path, text []byte) (*derivation.Derivation, error) {
	drv, err := derivation.ParseLinks(text)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "%s is not a sound derivation: %v", path, err)
	}
	return drv, nil
}

// How often a derivation is asked for where servers do not deliver, and the
// pauses in between: 0.25, 0.5, 1, 2 and 4 seconds, each shortened at random.
const (
	fetchAttempts = 6
	fetchPause    = 250 * time.Millisecond
)

// fetch is Fetch, repeated while there is hope. That a derivation is not to be
// had anywhere is final.
func (c *Coordinator) fetch(urls []string, path storepath.Path) (text []byte, err error) {
	pause := fetchPause
	for attempt := 1; ; attempt++ {
		text, err = c.Fetch(c.life, urls, path)
		if daemon.CodeOf(err) != daemon.Unavailable || attempt == fetchAttempts {
			return text, err
		}
		c.Log.Warn("cannot fetch a derivation; trying again", "derivation", path, "attempt", attempt, "err", err)
		timer := time.NewTimer(pause - rand.N(pause/2))
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return nil, errClosed
		}
		pause *= 2
	}
}
