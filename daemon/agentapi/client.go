package agentapi

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A Client speaks to a coordinator as one agent. It never repeats a request.
type Client struct {
	caller   *wire.Caller
	agent    string
	password atomic.Pointer[string]
	// Patience is how long an answer may take to come, and an upload may
	// stand still.
	Patience time.Duration
}

// NewClient is a client of the coordinator at a URL, such as
// "http://localhost:8745".
func NewClient(coordinator, agent, password string) *Client {
	c := &Client{agent: agent, Patience: patience}
	c.SetPassword(password)
	c.caller = wire.NewCaller(coordinator, func(h http.Header) {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(agent+":"+c.Password())))
	})
	return c
}

// patience lets the coordinator be held up by its disk. Of requests that take
// longer nothing is left but an open connection, which something between us may
// keep from ending.
const patience = 2 * time.Minute

// json sends a message and decodes the answer, which the coordinator may hold
// back for a while.
func (c *Client) json(ctx context.Context, wait time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, wait+c.Patience)
	defer cancel()
	return c.caller.JSON(ctx, method, path, in, out)
}

// upload sends a body, which may take as long as it goes on.
func (c *Client) upload(ctx context.Context, method, path, contentType string, body io.Reader, size int64, out any) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(c.Patience, cancel)
	defer stalled.Stop()
	body = &progress{body, func() { stalled.Reset(c.Patience) }}
	return c.caller.Do(ctx, method, path, contentType, wire.Sized{Reader: body, Size: size}, out)
}

// progress tells that a body is being read.
type progress struct {
	io.Reader
	read func()
}

func (p *progress) Read(b []byte) (int, error) {
	p.read()
	return p.Reader.Read(b)
}

// Password is the one that requests are made with.
func (c *Client) Password() string { return *c.password.Load() }

// SetPassword changes the password for all later requests.
func (c *Client) SetPassword(password string) { c.password.Store(&password) }

// Trust makes the client accept https coordinators of these authorities, in
// the place of the system's. It is called before the first request.
func (c *Client) Trust(roots *x509.CertPool) { c.caller.Trust(roots) }

// ReportStatus says how the agent is.
func (c *Client) ReportStatus(ctx context.Context, s daemon.AgentStatus, initial bool) error {
	report := wire.StatusReport{Status: s.Status, LoadAverage: &wire.LoadAverage{OneMinute: s.Load1Min},
		Processors: s.Processors, InitialStatus: initial}
	return c.json(ctx, 0, http.MethodPut, "/agent/"+c.agent, report, nil)
}

// Fetched is what a coordinator says when it is asked for builds.
type Fetched struct {
	Builds []daemon.Allocation // all that are allocated to the agent
	Gone   []string            // those that it believed to hold and does not
	Waits  bool                // the coordinator holds answers back; only then it knows of Gone
}

// FetchBuilds asks for builds up to target in all. A coordinator that can will
// wait up to wait for news: a new build, or that one of those that the agent
// believes to hold is gone.
func (c *Client) FetchBuilds(ctx context.Context, systems []string, target int, wait time.Duration, held ...string) (Fetched, error) {
	var reply wire.FetchReply
	req := wire.FetchRequest{Systems: systems, Target: &target, Wait: wait.Seconds(), Held: held}
	if err := c.json(ctx, wait, http.MethodPost, "/agent/"+c.agent+"/fetch-builds", req, &reply); err != nil {
		return Fetched{}, err
	}
	builds, err := reply.Domain()
	return Fetched{builds, reply.Gone, reply.Waits}, err
}

// ReportStart says that a build has begun.
func (c *Client) ReportStart(ctx context.Context, build string) error {
	return c.json(ctx, 0, http.MethodPost, "/build/"+build+"/report-build-start", nil, nil)
}

// ReportSetupFailure says that a build could not begin.
func (c *Client) ReportSetupFailure(ctx context.Context, build string, f daemon.SetupFailure) error {
	return c.json(ctx, 0, http.MethodPost, "/build/"+build+"/report-setup-failure", wire.NewSetupFailure(f), nil)
}

// ReportResult says how a build ended.
func (c *Client) ReportResult(ctx context.Context, build string, r daemon.Result) error {
	return c.json(ctx, 0, http.MethodPut, "/build/"+build, wire.NewResult(r), nil)
}

// ReleaseBuild gives a build back.
func (c *Client) ReleaseBuild(ctx context.Context, build string) error {
	return c.json(ctx, 0, http.MethodPost, "/build/"+build+"/release", nil, nil)
}
