package clientapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func (h *handler) cancel(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.CancelRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	outcome, err := h.c.CancelBuild(r.Context(), r.PathValue("uuid"), req.UnlessRequired)
	return wire.ResultReply{Result: outcome}, err
}

func (h *handler) priority(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.PriorityRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	if req.Priority == nil {
		return nil, daemon.Errorf(daemon.Invalid, "new-priority is missing")
	}
	err := h.c.SetPriority(r.Context(), r.PathValue("uuid"), *req.Priority)
	return wire.ResultReply{Result: wire.PriorityUpdated}, err
}

func (h *handler) retry(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.RetryRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	uuids, err := h.c.RetryBuild(r.Context(), r.PathValue("uuid"), req.WithBlocked)
	return wire.RetryReply{Submitted: append([]string{}, uuids...)}, err
}

func (h *handler) cancelBuilds(w http.ResponseWriter, r *http.Request) (any, error) {
	var fields map[string]json.RawMessage
	if err := wire.Read(w, r, &fields); err != nil {
		return nil, err
	}
	filter, err := parseCancel(fields)
	if err != nil {
		return nil, err
	}
	n, err := h.c.CancelBuilds(r.Context(), filter)
	return wire.CancelBuildsReply{Canceled: n}, err
}

// cancelFields are the parameters of the list by which builds can be canceled.
// The others would not do what they say.
var cancelFields = []string{"tag", "not_tag", "system", "not_system", "priority_gt", "priority_lt",
	"created_after", "created_before", "derivation"}

// parseCancel reads the body of POST /builds/cancel. Unlike other bodies it is
// read strictly: with a misspelt field ignored it would cancel more than was
// meant.
func parseCancel(fields map[string]json.RawMessage) (f coordinator.CancelFilter, err error) {
	all := false
	flags := map[string]*bool{"unstarted_only": &f.UnstartedOnly, "unless_required": &f.UnlessRequired, "all": &all}
	query := url.Values{}
	for name, text := range fields {
		if flag := flags[name]; flag != nil {
			if json.Unmarshal(text, flag) != nil {
				return f, daemon.Errorf(daemon.Invalid, "%s must be true or false", name)
			}
			continue
		}
		if !slices.Contains(cancelFields, name) {
			return f, daemon.Errorf(daemon.Invalid, "builds cannot be canceled by %.80q; known are %q", name, cancelFields)
		}
		if query[name], err = texts(name, text); err != nil {
			return f, err
		}
	}
	if f.Filter, err = parseFilter(query); err != nil {
		return f, err
	}
	if reflect.ValueOf(f.Filter).IsZero() && !all {
		return f, daemon.Errorf(daemon.Invalid, "this would cancel all builds; if that is meant, set all to true")
	}
	return f, nil
}

// texts are the values of a field, which may be one or a list, as they stand
// in a query. None and empty ones are refused: they would choose everything.
func texts(name string, text json.RawMessage) ([]string, error) {
	var list []any
	if json.Unmarshal(text, &list) != nil {
		text = slices.Concat([]byte("["), text, []byte("]"))
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, daemon.Errorf(daemon.Invalid, "%s: %v", name, err)
		}
	}
	values := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case string:
			values[i] = v
		case float64:
			number, _ := json.Marshal(v)
			values[i] = string(number)
		}
		if values[i] == "" {
			return nil, daemon.Errorf(daemon.Invalid, "%s must be a text that is not empty, or a number", name)
		}
	}
	if len(values) == 0 {
		return nil, daemon.Errorf(daemon.Invalid, "%s has no value", name)
	}
	return values, nil
}
