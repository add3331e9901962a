package agent

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// fetch makes items valid, side by side. It returns those that cannot be had
// and, if there is more to say, a sentence for people, which is logged too.
//
// What the daemon does not get is looked at once more, for it says that
// nobody has an item in two cases in which a server does. One is that the
// machine does not trust the server's signature. The other is that the item
// came late: "guix substitute" remembers that a server did not have it, for two
// minutes (an hour in Guix 1.2.0) or as long as the server said.
func (t *attempt) fetch(ctx context.Context, from *fetcher, items []storepath.Path) (missing []storepath.Path, details string, err error) {
	refusals, err := getAll(ctx, from, items)
	if err != nil || len(refusals) == 0 {
		return nil, "", err
	}
	urls := t.servers(ctx, from)
	offers := t.offers(ctx, urls, refusals)
	var late []storepath.Path
	for item, o := range offers {
		if o.trusted || !o.sure {
			late = append(late, item)
		}
	}
	if late != nil {
		still, err := getAll(ctx, newFetcher(t.Daemon, respell(urls)), late)
		if err != nil {
			return nil, "", err
		}
		for _, item := range late {
			if still[item] == nil {
				t.Log.Info("a server has by now what guix-daemon remembered it did not", "item", item, "from", offers[item].server)
				delete(refusals, item)
			} else {
				refusals[item] = still[item]
			}
		}
	}
	for _, item := range items {
		e := refusals[item]
		if e == nil {
			continue
		}
		missing = append(missing, item)
		t.Log.Debug("cannot get a store item", "item", item, "from", urls, "err", e)
		if o, offered := offers[item]; offered && details == "" {
			details = o.explain(item, e)
			t.Log.Warn(details)
		}
	}
	return missing, details, nil
}

// getAll has items fetched, and returns the daemon's refusals. Any other error
// ends it.
func getAll(ctx context.Context, from *fetcher, items []storepath.Path) (map[storepath.Path]*guixdaemon.Error, error) {
	var mu sync.Mutex // guards refusals
	refusals := make(map[storepath.Path]*guixdaemon.Error)
	all, ctx := errgroup.WithContext(ctx)
	for _, item := range items {
		all.Go(func() error {
			err := from.get(ctx, item)
			e, ok := refused(err)
			if !ok {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			refusals[item] = e
			return nil
		})
	}
	return refusals, all.Wait()
}

// servers are the substitute servers that a fetcher has the daemon use.
func (t *attempt) servers(ctx context.Context, f *fetcher) []string {
	if f.urls != nil {
		return f.urls
	}
	urls, err := t.conn.SubstituteURLs(ctx)
	if err != nil {
		t.Log.Debug("cannot ask the daemon for its substitute servers", "err", err)
	}
	return urls
}

// respell writes URLs in another way that means the same to "guix substitute",
// except that it remembers by the letter what a server did not have. As the
// daemon hears of these only what was seen to be there, it remembers little
// by them.
func respell(urls []string) []string {
	var other []string
	for _, url := range urls {
		bare, slash := strings.CutSuffix(url, "/")
		if !slash {
			bare += "/"
		}
		other = append(other, bare)
	}
	return other
}
