package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/nix/narinfo"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Bounds of the search for a reason why something could not be had.
const (
	distrustTimeout = 15 * time.Second
	maxDistrusted   = 5 // items that are looked for
)

// distrust explains, if it can, why the daemon did not get items that a
// substitute server has. Of one that has no authorised signature the daemon
// says only that nobody has it; so this asks the servers what they offer and
// looks whether the machine trusts the key. It returns a sentence, which is
// logged too, or nothing.
func (t *attempt) distrust(ctx context.Context, urls []string, missing []storepath.Path) string {
	if t.Narinfo == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, distrustTimeout)
	defer cancel()
	if urls == nil {
		var err error
		if urls, err = t.conn.SubstituteURLs(ctx); err != nil {
			t.Log.Debug("cannot ask the daemon for its substitute servers", "err", err)
		}
	}
	if len(urls) == 0 {
		return ""
	}
	for _, path := range missing[:min(len(missing), maxDistrusted)] {
		info, server, err := t.Narinfo(ctx, urls, path)
		if err != nil {
			t.Log.Debug("no server offers it", "item", path, "err", err)
			continue
		}
		if trusted, sure := trusts(info); !trusted {
			verdict := "its signature is by a key that is not authorised on this machine"
			if !sure {
				verdict = "the daemon does not take it, most likely because the key that signed it is not authorised on this machine"
			}
			said := fmt.Sprintf("%s offers %s, but %s; to trust that server, fetch %s/signing-key.pub and run as root: guix archive --authorize < signing-key.pub",
				server, path, verdict, strings.TrimRight(server, "/"))
			t.Log.Warn(said)
			return said
		}
	}
	return ""
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
