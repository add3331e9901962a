package agentapi

import (
	"net/http"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Handler serves the agents' API of a coordinator.
func Handler(c *coordinator.Coordinator, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	h := &handler{c: c}
	for name, serve := range map[string]func(http.ResponseWriter, *http.Request, string) (any, error){
		"agent-status":  h.status,
		"agent":         h.agent,
		"fetch-builds":  h.fetch,
		"report-start":  h.start,
		"setup-failure": h.setupFailure,
		"build-log":     h.log,
		"live-log":      h.liveLog,
		"live-log-size": h.liveLogSize,
		"send-output":   h.output,
		"output-rest":   h.outputRest,
		"output-size":   h.outputSize,
		"build-result":  h.result,
		"build":         h.build,
		"release-build": h.release,
	} {
		for _, pattern := range wire.Routes[name] {
			mux.HandleFunc(pattern, h.authenticated(serve))
		}
	}
	for _, name := range []string{"enrol", "new-agent"} {
		for _, pattern := range wire.Routes[name] {
			mux.HandleFunc(pattern, h.enrol)
		}
	}
	for _, pattern := range wire.Routes["metrics"] {
		mux.Handle(pattern, metrics)
	}
	return wire.Handler(mux)
}

type handler struct {
	c        *coordinator.Coordinator
	failures failures // of enrolments
}

// ok is the small object that upstream's agent expects and ignores.
var ok = struct {
	Result string `json:"result"`
}{"ok"}

// authenticated passes the agent's UUID on, once its password is checked.
func (h *handler) authenticated(serve func(http.ResponseWriter, *http.Request, string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		agent, password, given := r.BasicAuth() // any case of "basic"
		err := daemon.Errorf(daemon.Denied, "this needs an agent's UUID and password as HTTP Basic credentials")
		if given {
			err = h.c.Authenticate(r.Context(), agent, password)
		}
		var reply any
		if err == nil {
			reply, err = serve(w, r, agent)
		}
		if err != nil {
			wire.Fail(w, r, err)
			return
		}
		if reply != answered {
			wire.Reply(w, http.StatusOK, reply)
		}
	}
}

// answered is the reply of one who has answered by itself.
const answered = "answered"

// own refuses to let an agent speak for another.
func own(r *http.Request, agent string) error {
	if r.PathValue("uuid") != agent {
		return daemon.Errorf(daemon.Denied, "the agent %s cannot speak for another agent", agent)
	}
	return nil
}

func (h *handler) status(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	var report wire.StatusReport
	if err := own(r, agent); err != nil {
		return nil, err
	}
	if err := wire.Read(w, r, &report); err != nil {
		return nil, err
	}
	status, err := report.Domain()
	if err != nil {
		return nil, err
	}
	return ok, h.c.ReportStatus(r.Context(), agent, status)
}

func (h *handler) agent(_ http.ResponseWriter, r *http.Request, agent string) (any, error) {
	if err := own(r, agent); err != nil {
		return nil, err
	}
	a, err := h.c.Agent(r.Context(), agent)
	return wire.NewAgent(a), err
}

func (h *handler) fetch(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	var req wire.FetchRequest
	if err := own(r, agent); err != nil {
		return nil, err
	}
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	f := coordinator.Fetch{Systems: req.Systems, Target: 1, Held: req.Held}
	f.Wait = time.Duration(min(max(0, req.Wait), 3600) * float64(time.Second)) // more has no room in a Duration
	switch {
	case req.Target != nil:
		f.Target = *req.Target
	case req.Count != nil:
		f.Target, f.More = *req.Count, true
	}
	builds, err := h.c.FetchBuilds(r.Context(), agent, f)
	return wire.FetchReply{Builds: wire.Allocations(builds), Gone: coordinator.Mistaken(f.Held, builds), Waits: true}, err
}

func (h *handler) start(_ http.ResponseWriter, r *http.Request, agent string) (any, error) {
	return ok, h.c.ReportStart(r.Context(), agent, r.PathValue("uuid"))
}

func (h *handler) setupFailure(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	var report wire.SetupFailure
	if err := wire.Read(w, r, &report); err != nil {
		return nil, err
	}
	failure, err := report.Domain()
	if err != nil {
		return nil, err
	}
	return ok, h.c.ReportSetupFailure(r.Context(), agent, r.PathValue("uuid"), failure)
}

func (h *handler) result(w http.ResponseWriter, r *http.Request, agent string) (any, error) {
	var report wire.Result
	if err := wire.Read(w, r, &report); err != nil {
		return nil, err
	}
	result, err := report.Domain()
	if err != nil {
		return nil, err
	}
	return ok, h.c.ReportResult(r.Context(), agent, r.PathValue("uuid"), result)
}

// build shows an agent only what it holds or has finished.
func (h *handler) build(_ http.ResponseWriter, r *http.Request, agent string) (any, error) {
	b, err := h.c.Build(r.Context(), r.PathValue("uuid"))
	if err == nil && b.Agent != agent {
		err = daemon.Errorf(daemon.Denied, "the build %s is not allocated to the agent %s", b.UUID, agent)
	}
	if err != nil {
		return nil, err
	}
	return wire.NewBuildDetail(b), nil
}

func (h *handler) release(_ http.ResponseWriter, r *http.Request, agent string) (any, error) {
	return ok, h.c.ReleaseBuild(r.Context(), agent, r.PathValue("uuid"))
}
