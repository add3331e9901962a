package clientapi

import (
	"net/http"
	"net/url"
	"path"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/events"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Handler serves the clients' API of a coordinator, with the stream of its
// events, and of the program around it, and what more there is by the names of
// [wire.Routes]. Who may use it is a [Guard]'s matter.
func Handler(c *coordinator.Coordinator, stream *events.Stream, operator Operator, metrics http.Handler, more ...map[string]http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	h := &handler{c, stream, operator}
	h.register(mux, h.reads())
	h.register(mux, map[string]serve{
		"submit":       h.submit,
		"new-agent":    h.newAgent,
		"change-agent": h.changeAgent,
		"agent-active": h.changeAgent,
		"agent-tags":   h.changeAgent,
		"new-password": h.newPassword,
		"passwords":    h.passwords,
		"agent-mode":   h.agentMode,

		"cancel":        h.cancel,
		"cancel-builds": h.cancelBuilds,
		"priority":      h.priority,
		"retry":         h.retry,
		"blocking":      h.blocking,
		"failed-setups": h.setupFailures,
		"new-token":     h.newToken,
		"tokens":        h.tokens,
		"revoke-token":  h.revokeToken,
		"status":        h.status,
		"hooks":         h.hooks,
		"retry-hooks":   h.retryHooks,

		"reload":        h.reload,
		"secrets":       h.secrets,
		"rotate-secret": h.rotateSecret,
	})
	for name, handler := range map[string]http.Handler{"events": stream, "metrics": metrics} {
		for _, pattern := range wire.Routes[name] {
			mux.Handle(pattern, handler)
		}
	}
	for _, routes := range more {
		for name, serve := range routes {
			for _, pattern := range wire.Routes[name] {
				mux.HandleFunc(pattern, serve)
			}
		}
	}
	return wire.Handler(mux)
}

// PublicReads serves what a front end reads to everybody who asks without
// credentials, and leaves the rest to next.
func PublicReads(c *coordinator.Coordinator, stream *events.Stream, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	h := &handler{c: c, stream: stream}
	h.register(mux, h.reads())
	for _, pattern := range wire.Routes["events"] {
		mux.Handle(pattern, stream)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		if pattern == "" || r.Header.Get("Authorization") != "" || r.URL.Path != path.Clean(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the request before
		mux.ServeHTTP(w, r)
	})
}

// serve answers a request with a message.
type serve func(http.ResponseWriter, *http.Request) (any, error)

// maxReplyTime is how long a client may take for an answer.
const maxReplyTime = 2 * time.Minute

func (h *handler) register(mux *http.ServeMux, routes map[string]serve) {
	for name, serve := range routes {
		for _, pattern := range wire.Routes[name] {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				reply, err := serve(w, r)
				// Not every ResponseWriter can do this; those of tests can't.
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxReplyTime))
				if err != nil {
					wire.Fail(w, r, err)
					return
				}
				wire.Reply(w, http.StatusOK, reply)
			})
		}
	}
}

// reads are what a front end reads, with the stream.
func (h *handler) reads() map[string]serve {
	return map[string]serve{"builds": h.builds, "build": h.build, "output": h.output, "agents": h.agents,
		"agent": h.agent, "state": h.state}
}

type handler struct {
	c        *coordinator.Coordinator
	stream   *events.Stream
	operator Operator
}

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

// state is what a follower of the events starts from.
func (h *handler) state(_ http.ResponseWriter, r *http.Request) (any, error) {
	if h.stream.Followers() == 0 { // else it is announced again and again
		if err := h.c.AnnouncePlan(r.Context()); err != nil {
			return nil, err
		}
	}
	picture, err := h.c.Picture(r.Context())
	return wire.NewState(picture), err
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
	return h.change(r, change)
}

func (h *handler) agentMode(w http.ResponseWriter, r *http.Request) (any, error) {
	var change wire.AgentChange
	if err := wire.Read(w, r, &change); err != nil {
		return nil, err
	}
	if change.Mode == nil {
		return nil, daemon.Errorf(daemon.Invalid, "mode is missing; it is one of %q", daemon.Modes)
	}
	return h.change(r, wire.AgentChange{Mode: change.Mode})
}

func (h *handler) change(r *http.Request, change wire.AgentChange) (any, error) {
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
