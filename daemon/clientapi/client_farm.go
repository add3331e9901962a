package clientapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// Cancel cancels a build, or with unlessRequired only if no other waits for
// it, and returns what became of it in the words of package daemon.
func (c *Client) Cancel(ctx context.Context, uuid string, unlessRequired bool) (string, error) {
	var reply wire.ResultReply
	err := c.caller.JSON(ctx, http.MethodPost, "/build/"+url.PathEscape(uuid)+"/cancel", wire.CancelRequest{UnlessRequired: unlessRequired}, &reply)
	return reply.Result, err
}

// CancelBuilds cancels the unfinished builds that are chosen and returns how
// many these were.
func (c *Client) CancelBuilds(ctx context.Context, which wire.CancelBuilds) (int, error) {
	var reply wire.CancelBuildsReply
	err := c.caller.JSON(ctx, http.MethodPost, "/builds/cancel", which, &reply)
	return reply.Canceled, err
}

// SetPriority changes a build's priority.
func (c *Client) SetPriority(ctx context.Context, uuid string, priority int64) error {
	return c.caller.JSON(ctx, http.MethodPost, "/build/"+url.PathEscape(uuid)+"/update-priority", wire.PriorityRequest{Priority: &priority}, nil)
}

// Retry submits a build again, or those that block it, and returns the new
// builds' UUIDs.
func (c *Client) Retry(ctx context.Context, uuid string, withBlocked bool) ([]string, error) {
	var reply wire.RetryReply
	err := c.caller.JSON(ctx, http.MethodPost, "/build/"+url.PathEscape(uuid)+"/retry", wire.RetryRequest{WithBlocked: withBlocked}, &reply)
	return reply.Submitted, err
}

// Blocking are at most limit, or 1000, of the failed builds that block at
// least threshold others, the worst first; without systems those for all.
func (c *Client) Blocking(ctx context.Context, systems []string, threshold, limit int) (wire.BlockingList, error) {
	query := url.Values{"system": systems, "threshold": {strconv.Itoa(threshold)}, "limit": {strconv.Itoa(limit)}}
	var list wire.BlockingList
	err := c.caller.JSON(ctx, http.MethodGet, "/failed-builds-with-blocking-count?"+query.Encode(), nil, &list)
	return list, err
}

// Output is who could make a store item.
func (c *Client) Output(ctx context.Context, path storepath.Path) (wire.OutputDetail, error) {
	var detail wire.OutputDetail
	err := c.caller.JSON(ctx, http.MethodGet, "/output?"+url.Values{"output": {string(path)}}.Encode(), nil, &detail)
	return detail, err
}

// SetupFailures calls f with the setup failures of all builds, the newest
// first, until it has had limit of them; zero stands for no limit.
func (c *Client) SetupFailures(ctx context.Context, limit int, f func(wire.ListedSetupFailure) error) error {
	const page = 1000
	query := url.Values{}
	for seen := 0; limit == 0 || seen < limit; {
		n := page
		if limit > 0 {
			n = min(n, limit-seen)
		}
		query.Set("limit", strconv.Itoa(n))
		var list wire.SetupFailureList
		if err := c.caller.JSON(ctx, http.MethodGet, "/setup-failures?"+query.Encode(), nil, &list); err != nil {
			return err
		}
		for _, failure := range list.Failures {
			if err := f(failure); err != nil {
				return err
			}
		}
		if seen += len(list.Failures); len(list.Failures) < n {
			return nil
		}
		query.Set("before", strconv.FormatInt(list.Failures[n-1].ID, 10))
	}
	return nil
}

// NewToken makes a token with which agents enrol.
func (c *Client) NewToken(ctx context.Context, req wire.NewTokenRequest) (string, error) {
	var reply wire.NewTokenReply
	err := c.caller.JSON(ctx, http.MethodPost, "/dynamic-auth-tokens", req, &reply)
	return reply.Token, err
}

// Tokens are all tokens, without what they are.
func (c *Client) Tokens(ctx context.Context) ([]wire.Token, error) {
	var list wire.TokenList
	err := c.caller.JSON(ctx, http.MethodGet, "/dynamic-auth-tokens", nil, &list)
	return list.Tokens, err
}

// RevokeToken makes a token useless.
func (c *Client) RevokeToken(ctx context.Context, id int64) error {
	return c.caller.JSON(ctx, http.MethodDelete, "/dynamic-auth-tokens/"+strconv.FormatInt(id, 10), nil, nil)
}

// Status is how the farm is.
func (c *Client) Status(ctx context.Context) (wire.FarmStatus, error) {
	var s wire.FarmStatus
	err := c.caller.JSON(ctx, http.MethodGet, "/status", nil, &s)
	return s, err
}

// HookEvents calls f with every event that hooks have still to be told, or
// with the parked ones alone.
func (c *Client) HookEvents(ctx context.Context, parkedOnly bool, f func(wire.HookEvent) error) error {
	query := url.Values{}
	if parkedOnly {
		query.Set("parked", "true")
	}
	for {
		var list wire.HookEventList
		if err := c.caller.JSON(ctx, http.MethodGet, "/hooks?"+query.Encode(), nil, &list); err != nil {
			return err
		}
		for _, e := range list.Events {
			if err := f(e); err != nil {
				return err
			}
		}
		if len(list.Events) == 0 {
			return nil
		}
		query.Set("after", strconv.FormatInt(list.Events[len(list.Events)-1].ID, 10))
	}
}

// RetryHooks takes up a parked event again, or all of them if id is zero, and
// returns how many.
func (c *Client) RetryHooks(ctx context.Context, id int64) (int64, error) {
	var reply wire.RetryHooksReply
	err := c.caller.JSON(ctx, http.MethodPost, "/hooks/retry", wire.RetryHooksRequest{ID: id, All: id == 0}, &reply)
	return reply.Retried, err
}
