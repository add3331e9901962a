package coordinator

import (
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/derivation"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// reading is what a reader needs for one derivation after the other.
type reading struct {
	text  []byte
	links derivation.Links // share the text
}

var readings = sync.Pool{New: func() any { return new(reading) }}

// readDerivation reads one derivation in the store of this machine. The error
// is [fs.ErrNotExist] if it is not there. That the text belongs to the path is
// the guix-daemon's word, as for all in Guix that reads the store.
func (c *Coordinator) readDerivation(r *reading, path storepath.Path) (err error) {
	if c.Read == nil {
		return fs.ErrNotExist
	}
	if r.text, err = c.Read(path, r.text[:0]); err != nil {
		return err
	}
	return r.parse(path)
}

// fetchDerivation gets one from a server. A derivation's path follows from its
// text: a server cannot pass another one off, signed or not.
func (c *Coordinator) fetchDerivation(r *reading, urls []string, path storepath.Path) (err error) {
	if r.text, err = c.fetch(urls, path); err != nil {
		return err
	}
	if err := r.parse(path); err != nil {
		return err
	}
	own, err := r.links.TextPath(path.Dir(), strings.TrimSuffix(path.Name(), ".drv"), r.text)
	if err != nil || own != path {
		return daemon.Errorf(daemon.Invalid, "what was fetched as %s is another derivation (%s)", path, own)
	}
	return nil
}

func (r *reading) parse(path storepath.Path) error {
	if err := r.links.Parse(r.text); err != nil {
		return daemon.Errorf(daemon.Invalid, "%s is not a sound derivation: %v", path, err)
	}
	return nil
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
