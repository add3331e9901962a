package clientapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Handler serves the clients' API of a coordinator.
func Handler(c *coordinator.Coordinator, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	h := &handler{c}
	for name, serve := range map[string]func(http.ResponseWriter, *http.Request) (any, error){
		"submit":       h.submit,
		"builds":       h.builds,
		"build":        h.build,
		"agents":       h.agents,
		"agent":        h.agent,
		"new-agent":    h.newAgent,
		"change-agent": h.changeAgent,
		"agent-active": h.changeAgent,
		"agent-tags":   h.changeAgent,
		"new-password": h.newPassword,
		"passwords":    h.passwords,
	} {
		for _, pattern := range wire.Routes[name] {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				reply, err := serve(w, r)
				if err != nil {
					wire.Fail(w, r, err)
					return
				}
				wire.Reply(w, http.StatusOK, reply)
			})
		}
	}
	for _, pattern := range wire.Routes["metrics"] {
		mux.Handle(pattern, metrics)
	}
	return refuseBrowsers(wire.Handler(mux))
}

// refuseBrowsers refuses what scripts of web pages send. Whoever uses a browser
// on the farm's machine could otherwise submit builds without knowing; commands
// and BFFE send no Origin.
func refuseBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			wire.Fail(w, r, daemon.Errorf(daemon.Denied, "web pages may not use this API"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

type handler struct{ c *coordinator.Coordinator }

func (h *handler) submit(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.Submission
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	submission, err := req.Domain()
	if err != nil {
		return nil, err
	}
	done, err := h.c.Submit(r.Context(), submission)
	return wire.SubmissionReply{Submitted: done.UUID, NotSubmitted: done.Reason, Inputs: done.Inputs}, err
}

func (h *handler) builds(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	filter, err := parseFilter(query)
	if err != nil {
		return nil, err
	}
	builds, err := h.c.Builds(r.Context(), filter)
	list := wire.BuildList{Builds: make([]wire.Build, len(builds))}
	for i, b := range builds {
		list.Builds[i] = wire.NewBuild(b)
	}
	return list, err
}

// parseFilter reads the query of GET /builds.
func parseFilter(query url.Values) (f coordinator.Filter, err error) {
	for key, values := range query {
		value := values[0]
		if len(values) > 1 {
			return f, daemon.Errorf(daemon.Invalid, "the parameter %s is given more than once", key)
		}
		switch key {
		case "after_id":
			f.After = value
		case "processed":
			f.Processed, err = parseBool(key, value)
		case "canceled":
			f.Canceled, err = parseBool(key, value)
		case "system":
			f.System = value
		case "tag":
			if f.Tag.Key, f.Tag.Value, _ = strings.Cut(value, ":"); f.Tag.Key == "" {
				err = daemon.Errorf(daemon.Invalid, "tag must be KEY or KEY:VALUE, not %.80q", value)
			}
		case "limit":
			if f.Limit, err = strconv.Atoi(value); err != nil || f.Limit < 1 {
				err = daemon.Errorf(daemon.Invalid, "limit must be a positive number, not %.80q", value)
			}
		default:
			err = daemon.Errorf(daemon.Invalid, "the parameter %.80q is not known here", key)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func parseBool(key, value string) (*bool, error) {
	switch value {
	case "true", "false":
		b := value == "true"
		return &b, nil
	}
	return nil, daemon.Errorf(daemon.Invalid, "%s must be true or false, not %.80q", key, value)
}

func (h *handler) build(_ http.ResponseWriter, r *http.Request) (any, error) {
	b, err := h.c.Build(r.Context(), r.PathValue("uuid"))
	return wire.NewBuildDetail(b), err
}

func (h *handler) agents(_ http.ResponseWriter, r *http.Request) (any, error) {
	agents, err := h.c.Agents(r.Context())
	list := wire.AgentList{Agents: make([]wire.Agent, len(agents))}
	for i, a := range agents {
		list.Agents[i] = wire.NewAgent(a)
	}
	return list, err
}

func (h *handler) agent(_ http.ResponseWriter, r *http.Request) (any, error) {
	a, err := h.c.Agent(r.Context(), r.PathValue("uuid"))
	return wire.NewAgent(a), err
}

func (h *handler) newAgent(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.NewAgentRequest
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	id, err := h.c.NewAgent(r.Context(), req.ID, req.Name, req.Description)
	return wire.NewAgentReply{ID: id}, err
}

func (h *handler) changeAgent(w http.ResponseWriter, r *http.Request) (any, error) {
	var change wire.AgentChange
	if err := wire.Read(w, r, &change); err != nil {
		return nil, err
	}
	id := r.PathValue("uuid")
	if err := h.c.ChangeAgent(r.Context(), id, change.Domain()); err != nil {
		return nil, err
	}
	a, err := h.c.Agent(r.Context(), id)
	return wire.NewAgent(a), err
}

func (h *handler) newPassword(_ http.ResponseWriter, r *http.Request) (any, error) {
	password, err := h.c.NewPassword(r.Context(), r.PathValue("uuid"))
	return wire.NewPasswordReply{Password: password}, err
}

func (h *handler) passwords(_ http.ResponseWriter, r *http.Request) (any, error) {
	dates, err := h.c.PasswordDates(r.Context(), r.PathValue("uuid"))
	list := wire.PasswordList{Created: make([]wire.Time, len(dates))}
	for i, d := range dates {
		list.Created[i] = wire.Time{Time: d}
	}
	return list, err
}
