package clientapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// maxBlocking is how many failed builds the answer names at most, and how many
// if no limit is given.
const maxBlocking = 1000

// blocking answers which failed builds block how many others, the worst first.
func (h *handler) blocking(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	threshold, limit := 1, maxBlocking
	for key, number := range map[string]*int{"threshold": &threshold, "limit": &limit} {
		if text := query.Get(key); text != "" {
			if *number, err = strconv.Atoi(text); err != nil || *number < 1 {
				return nil, daemon.Errorf(daemon.Invalid, "%s must be a positive number, not %.80q", key, text)
			}
		}
	}
	if limit > maxBlocking {
		return nil, daemon.Errorf(daemon.Invalid, "limit must be at most %d", maxBlocking)
	}
	for key := range query { // a target is none of ours: derivations are opaque
		if !slices.Contains([]string{"threshold", "limit", "system"}, key) && (key != "target" || query.Get(key) != "") {
			return nil, daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
		}
	}
	systems := slices.DeleteFunc(query["system"], func(s string) bool { return s == "" })
	worst, all, err := h.c.Blocking(r.Context(), systems, threshold, limit)
	list := wire.BlockingList{Builds: make([]wire.BlockingBuild, len(worst)), All: all}
	for i, b := range worst {
		list.Builds[i] = wire.NewBlockingBuild(b.Build, b.Blocks)
	}
	return list, err
}
