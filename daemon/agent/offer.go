package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Bounds of the questions to substitute servers about what is missing.
const (
	askTimeout = 15 * time.Second
	maxAsking  = 8 // at a time
)

// An offer is what a server says that it has.
type offer struct {
	server        string
	trusted, sure bool // whether the machine trusts its signature
}

// offers asks servers for items. Those that nobody offers within the time, or
// all of them if nobody can be asked, are not in the answer.
func (t *attempt) offers(ctx context.Context, urls []string, items map[storepath.Path]*guixdaemon.Error) map[storepath.Path]offer {
	offers := make(map[storepath.Path]offer)
	if t.Narinfo == nil {
		return offers
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var mu sync.Mutex // guards offers
	var all errgroup.Group
	all.SetLimit(maxAsking)
	for item := range items {
		all.Go(func() error {
			if o := t.offered(ctx, urls, item); o.server != "" {
				mu.Lock()
				defer mu.Unlock()
				offers[item] = o
			}
			return nil
		})
	}
	all.Wait()
	return offers
}

// offered returns the first offer of an item that the machine may trust, or
// else the first.
func (t *attempt) offered(ctx context.Context, urls []string, item storepath.Path) (first offer) {
	for _, url := range urls {
		info, _, err := t.Narinfo(ctx, []string{url}, item)
		if err != nil {
			continue
		}
		o := offer{server: url}
		if o.trusted, o.sure = trusts(info); o.trusted || !o.sure {
			return o
		}
		if first.server == "" {
			first = o
		}
	}
	return first
}

// trusts tells whether the machine's access control list has the key of a
// signature, and whether that is sure: the list may be for root's eyes.
func trusts(info *narinfo.Info) (trusted, sure bool) {
	key := info.Key()
	if key == "" {
		return false, true
	}
	list, err := os.ReadFile(narinfo.ACL())
	if err != nil {
		return false, os.IsNotExist(err)
	}
	return slices.Contains(narinfo.Keys(list), key), true
}

// explain says why the daemon did not take an offer, and what to do.
func (o offer) explain(item storepath.Path, e *guixdaemon.Error) string {
	if o.trusted {
		return fmt.Sprintf("%s offers %s, but guix-daemon does not get it from there: %s", o.server, item, strings.TrimSpace(e.Message))
	}
	verdict := "its signature is by a key that is not authorised on this machine"
	if !o.sure {
		verdict = "the daemon does not take it, most likely because the key that signed it is not authorised on this machine"
	}
	return fmt.Sprintf("%s offers %s, but %s; to trust that server, fetch %s/signing-key.pub and run as root: guix archive --authorize < signing-key.pub",
		o.server, item, verdict, strings.TrimRight(o.server, "/"))
}
