package clientapi

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// maxHookEvents is how many events in the outbox are listed at a time, and
// counted.
const maxHookEvents = 1000

// status tells how the farm is: cheaply, so that it can be asked often.
func (h *handler) status(_ http.ResponseWriter, r *http.Request) (any, error) {
	agents, err := h.c.Agents(r.Context())
	if err != nil {
		return nil, err
	}
	builds, err := h.c.Counts(r.Context())
	if err != nil {
		return nil, err
	}
	parked, err := h.c.HookEvents(r.Context(), 0, true, maxHookEvents)
	status := wire.NewFarmStatus(h.c.Trouble(), len(parked), builds, agents)
	status.Config, status.Followers = h.operator.Configuration(), h.stream.Followers()
	return status, err
}

// hooks lists what hooks have still to be told, the oldest first.
func (h *handler) hooks(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	limit, after := int64(maxHookEvents), int64(0)
	lists := []bool{false, true}
	for key, values := range query {
		switch value := values[0]; key {
		case "parked":
			parked, err := parseBool(key, value)
			if err != nil {
				return nil, err
			}
			lists = []bool{*parked}
		case "after", "limit":
			n, err := parseNumber(key, value)
			if err != nil {
				return nil, err
			}
			if key == "after" {
				after = *n
			} else if limit = *n; limit < 1 || limit > maxHookEvents {
				return nil, daemon.Errorf(daemon.Invalid, "limit must be a number from 1 to %d", maxHookEvents)
			}
		default:
			return nil, daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
		}
	}
	events := []wire.HookEvent{}
	for _, parked := range lists {
		some, err := h.c.HookEvents(r.Context(), after, parked, int(limit))
		if err != nil {
			return nil, err
		}
		for _, e := range some {
			events = append(events, wire.NewHookEvent(e))
		}
	}
	slices.SortFunc(events, func(a, b wire.HookEvent) int { return cmp.Compare(a.ID, b.ID) })
	return wire.HookEventList{Events: events[:min(len(events), int(limit))]}, nil
}

func (h *handler) retryHooks(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.RetryHooksRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	if (req.ID != 0) == req.All {
		return nil, daemon.Errorf(daemon.Invalid, "say which event, by its hook_event_id, or set all to true")
	}
	n, err := h.c.RetryHooks(r.Context(), req.ID)
	return wire.RetryHooksReply{Retried: n}, err
}
