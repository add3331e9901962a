package clientapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// blocking answers which failed builds block how many others, the worst first.
func (h *handler) blocking(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	threshold := 1
	if text := query.Get("threshold"); text != "" {
		if threshold, err = strconv.Atoi(text); err != nil || threshold < 1 {
			return nil, daemon.Errorf(daemon.Invalid, "threshold must be a positive number, not %.80q", text)
		}
	}
	for key := range query { // a target is none of ours: derivations are opaque
		if key != "threshold" && key != "system" && (key != "target" || query.Get(key) != "") {
			return nil, daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
		}
	}
	counts, err := h.countBlocked(r.Context(), slices.DeleteFunc(query["system"], func(s string) bool { return s == "" }))
	if err != nil {
		return nil, err
	}
	list := wire.BlockingList{Builds: []wire.BlockingBuild{}}
	for uuid, n := range counts {
		if n < threshold {
			continue
		}
		b, err := h.c.Build(r.Context(), uuid)
		if daemon.CodeOf(err) == daemon.NotFound {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, err
		}
		list.Builds = append(list.Builds, wire.NewBlockingBuild(b.Build, n))
	}
	slices.SortFunc(list.Builds, func(a, b wire.BlockingBuild) int {
		return cmp.Or(b.Blocks-a.Blocks, cmp.Compare(a.UUID, b.UUID))
	})
	return list, nil
}

// countBlocked counts, by failed build, the unfinished builds for some systems
// that it blocks.
func (h *handler) countBlocked(ctx context.Context, systems []string) (map[string]int, error) {
	const page = 1000
	no, counts := false, make(map[string]int)
	f := coordinator.Filter{Processed: &no, Canceled: &no, Systems: systems, Limit: page}
	for {
		builds, err := h.c.Builds(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, b := range builds {
			for _, uuid := range b.BlockedBy {
				counts[uuid]++
			}
		}
		if len(builds) < page {
			return counts, nil
		}
		f.After = builds[page-1].UUID
	}
}
