package clientapi

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// A Client asks a coordinator on behalf of a person or a script. What comes
// back is in the API's own words, so that commands can print it as JSON.
type Client struct{ caller *wire.Caller }

// NewClient is a client of the coordinator at a URL, such as
// "http://127.0.0.1:8746", or at a unix socket, as [wire.NewCaller] has it.
func NewClient(coordinator string) *Client { return &Client{wire.NewCaller(coordinator, nil)} }

// ShowToken lets the client show a token, which coordinators want to see from
// those on other machines.
func (c *Client) ShowToken(token string) {
	c.caller.Auth = func(h http.Header) { h.Set("Authorization", "Bearer "+token) }
}

// Submit asks for a build.
func (c *Client) Submit(ctx context.Context, s daemon.Submission) (wire.SubmissionReply, error) {
	var reply wire.SubmissionReply
	err := c.caller.JSON(ctx, http.MethodPost, "/builds", wire.NewSubmission(s), &reply)
	return reply, err
}

// Build is one build with its history.
func (c *Client) Build(ctx context.Context, uuid string) (wire.BuildDetail, error) {
	var b wire.BuildDetail
	err := c.caller.JSON(ctx, http.MethodGet, "/build/"+url.PathEscape(uuid), nil, &b)
	return b, err
}

// Builds calls f with every build that the query chooses, page by page,
// until it has had limit of them; zero stands for no limit.
func (c *Client) Builds(ctx context.Context, query url.Values, limit int, f func(wire.Build) error) error {
	const page = 1000
	params := maps.Clone(query)
	if params == nil {
		params = url.Values{}
	}
	for seen := 0; limit == 0 || seen < limit; {
		n := page
		if limit > 0 {
			n = min(n, limit-seen)
		}
		params.Set("limit", strconv.Itoa(n))
		var list wire.BuildList
		if err := c.caller.JSON(ctx, http.MethodGet, "/builds?"+params.Encode(), nil, &list); err != nil {
			return err
		}
		for _, b := range list.Builds {
			if err := f(b); err != nil {
				return err
			}
		}
		if seen += len(list.Builds); len(list.Builds) < n {
			return nil
		}
		params.Set("after_id", list.Builds[len(list.Builds)-1].UUID)
	}
	return nil
}

// Agents are all agents.
func (c *Client) Agents(ctx context.Context) ([]wire.Agent, error) {
	var list wire.AgentList
	err := c.caller.JSON(ctx, http.MethodGet, "/agents", nil, &list)
	return list.Agents, err
}

// Agent is one agent.
func (c *Client) Agent(ctx context.Context, id string) (wire.Agent, error) {
	var a wire.Agent
	err := c.caller.JSON(ctx, http.MethodGet, "/agent/"+url.PathEscape(id), nil, &a)
	return a, err
}

// NewAgent adds an agent and returns its UUID.
func (c *Client) NewAgent(ctx context.Context, name, description string) (string, error) {
	var reply wire.NewAgentReply
	err := c.caller.JSON(ctx, http.MethodPost, "/agents", wire.NewAgentRequest{Name: name, Description: description}, &reply)
	return reply.ID, err
}

// ChangeAgent changes what the fields of change that are set say.
func (c *Client) ChangeAgent(ctx context.Context, id string, change wire.AgentChange) error {
	return c.caller.JSON(ctx, http.MethodPatch, "/agent/"+url.PathEscape(id), change, nil)
}

// NewPassword makes an agent a further password.
func (c *Client) NewPassword(ctx context.Context, id string) (string, error) {
	var reply wire.NewPasswordReply
	err := c.caller.JSON(ctx, http.MethodPost, "/agent/"+url.PathEscape(id)+"/passwords", nil, &reply)
	return reply.Password, err
}

// PasswordDates are when an agent's passwords were made.
func (c *Client) PasswordDates(ctx context.Context, id string) ([]time.Time, error) {
	var list wire.PasswordList
	err := c.caller.JSON(ctx, http.MethodGet, "/agent/"+url.PathEscape(id)+"/passwords", nil, &list)
	dates := make([]time.Time, len(list.Created))
	for i, t := range list.Created {
		dates[i] = t.Time
	}
	return dates, err
}
