package clientapi

import (
	"net/http"
	"net/url"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// output answers which builds could make a store item. It is named by a
// parameter, or by the rest of the path.
func (h *handler) output(_ http.ResponseWriter, r *http.Request) (any, error) {
	text := r.URL.Query().Get("output")
	if rest := r.PathValue("path"); rest != "" {
		text = "/" + rest
	}
	path, err := storepath.Parse(text)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "output: %v", err)
	}
	builds, derivations, err := h.c.OutputBuilds(r.Context(), path)
	return wire.NewOutputDetail(path, derivations, builds), err
}

// setupFailures lists the setup failures of all builds, the newest first.
func (h *handler) setupFailures(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	limit, before := int64(100), int64(0)
	for key, values := range query {
		if key != "before" && key != "limit" {
			return nil, daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
		}
		n, err := parseNumber(key, values[0])
		if err != nil {
			return nil, err
		}
		if key == "before" {
			before = *n
		} else if limit = *n; limit < 1 || limit > coordinator.MaxSetupFailures {
			return nil, daemon.Errorf(daemon.Invalid, "limit must be a number from 1 to %d", coordinator.MaxSetupFailures)
		}
	}
	failures, err := h.c.SetupFailures(r.Context(), before, int(limit))
	return wire.NewSetupFailureList(failures), err
}
