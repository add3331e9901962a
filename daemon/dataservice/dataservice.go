// Package dataservice asks a Guix Data Service for revisions, packages and
// derivations, over its JSON routes.
package dataservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Limits of what a service sends, and how long it may take. The list of all
// packages of Guix has some 5 MB; a loaded service takes a minute for it.
const (
	maxAnswer   = 64 << 20
	maxRefusal  = 64 << 10
	answerTime  = 5 * time.Minute
	attempts    = 4
	firstPause  = 2 * time.Second
	maxPackages = 500_000
)

// A Client asks one service.
type Client struct {
	Base string // URL, such as https://data.guix.gnu.org
	HTTP *http.Client
	Page int // derivations in one answer; 0 for the usual number
}

const usualPage = 2000

// A statusError is an answer that refuses.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s: %s", e.status, http.StatusText(e.status), e.text))
}

// get asks for one thing, several times if the service is in trouble. An
// error of the code [daemon.Unavailable] says that it may work later.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	target := strings.TrimRight(c.Base, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var err error
	for pause, n := firstPause, 1; ; pause, n = 2*pause, n+1 {
		err = c.try(ctx, target, into)
		var status *statusError
		final := errors.As(err, &status) && status.status < 500 && status.status != http.StatusTooManyRequests
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final:
			return daemon.Errorf(daemon.Invalid, "the data service at %s refused: GET %s: %v", c.Base, target, err)
		case n == attempts:
			return daemon.Errorf(daemon.Unavailable, "the data service at %s does not answer: GET %s, %d times: %v", c.Base, target, n, err)
		}
		timer := time.NewTimer(pause - rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (c *Client) try(ctx context.Context, target string, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("no answer within %v", answerTime))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer breaks off: %w", err)
	case len(body) > maxAnswer:
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the answer is larger than %d bytes", maxAnswer)}
	}
	var refusal struct {
		Error         string `json:"error"`
		UnknownCommit string `json:"unknown_commit"`
	}
	var jsonErr error
	if len(body) < maxRefusal {
		jsonErr = wire.Unmarshal(body, &refusal)
	}
	if resp.StatusCode != http.StatusOK || refusal.Error != "" || refusal.UnknownCommit != "" {
		// An invalid query is answered with 200 and an error.
		status := resp.StatusCode
		if status == http.StatusOK {
			status = http.StatusBadRequest
		}
		text := refusal.Error
		if refusal.UnknownCommit != "" {
			text = "it does not know the commit " + refusal.UnknownCommit
		}
		if text == "" {
			text = firstLine(body)
		}
		return &statusError{status, text}
	}
	if jsonErr == nil {
		jsonErr = wire.Unmarshal(body, into)
	}
	if jsonErr != nil {
		return &statusError{http.StatusBadRequest, fmt.Sprintf("the answer is not what is expected (%v): %s", jsonErr, firstLine(body))}
	}
	return nil
}

// firstLine is the beginning of what may be a web page.
func firstLine(body []byte) string {
	text, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), 300)]), "\uFFFD")), "\n")
	return text
}

// Repository is the number of the repository with a number, label or URL; of
// the one with the lowest number if which is empty.
func (c *Client) Repository(ctx context.Context, which string) (string, error) {
	var list repositories
	if err := c.get(ctx, "/repositories", nil, &list); err != nil {
		return "", err
	}
	best := int64(-1)
	var known []string
	for _, r := range list.Repositories {
		id, err := strconv.ParseInt(r.ID.String(), 10, 64)
		if err != nil {
			continue
		}
		if which != "" && (which == r.ID.String() || which == r.Label || strings.TrimSuffix(which, "/") == strings.TrimSuffix(r.URL, "/")) {
			return r.ID.String(), nil
		}
		known = append(known, fmt.Sprintf("%s (%s, %s)", r.ID, r.Label, r.URL))
		if best < 0 || id < best {
			best = id
		}
	}
	if which != "" || best < 0 {
		return "", daemon.Errorf(daemon.Invalid, "the data service at %s has no repository %q; it has: %s", c.Base, which, strings.Join(known, ", "))
	}
	return strconv.FormatInt(best, 10), nil
}

// Latest is the newest commit of a branch that the service has processed.
func (c *Client) Latest(ctx context.Context, repository, branch string) (commit string, err error) {
	var r revision
	err = c.get(ctx, "/repository/"+url.PathEscape(repository)+"/branch/"+url.PathEscape(branch)+"/latest-processed-revision", nil, &r)
	if err == nil && r.Revision.Commit == "" {
		err = daemon.Errorf(daemon.Invalid, "the data service at %s has processed no revision of the branch %s", c.Base, branch)
	}
	return r.Revision.Commit, err
}

// Revision checks that a commit is processed and returns its full name.
func (c *Client) Revision(ctx context.Context, commit string) (string, error) {
	var r revision
	if err := c.get(ctx, "/revision/"+url.PathEscape(commit), nil, &r); err != nil {
		return "", err
	}
	if r.Revision.Commit != "" {
		commit = r.Revision.Commit
	}
	return commit, nil
}

// Packages are all packages of a revision, with their versions and files.
func (c *Client) Packages(ctx context.Context, commit string) ([]Package, error) {
	var list packageList
	// Pages end at a name, and a package may have several versions: all at once.
	err := c.get(ctx, "/revision/"+url.PathEscape(commit)+"/packages",
		url.Values{"field": {"version", "location"}, "all_results": {"on"}}, &list)
	return list.Packages, err
}

// Derivations calls f with every derivation of a package of a revision for a
// system and a target, which is empty where nothing is cross-compiled.
func (c *Client) Derivations(ctx context.Context, commit, system, target string, f func(Derivation) error) error {
	page := c.Page
	if page == 0 {
		page = usualPage
	}
	if target == "" {
		target = "none"
	}
	// The fields are named because, if none is, the service adds the builds that it
	// knows of, at great cost.
	query := url.Values{"system": {system}, "target": {target}, "field": {"system", "target"}, "limit_results": {strconv.Itoa(page)}}
	last := ""
	for n := 0; ; {
		var list derivationList
		if err := c.get(ctx, "/revision/"+url.PathEscape(commit)+"/package-derivations", query, &list); err != nil {
			return err
		}
		for _, d := range list.Derivations {
			if d.Derivation <= last {
				return daemon.Errorf(daemon.Invalid, "the data service at %s does not sort derivations: %s comes after %s", c.Base, d.Derivation, last)
			}
			if n++; n > maxPackages {
				return daemon.Errorf(daemon.Invalid, "the data service at %s has more than %d derivations", c.Base, maxPackages)
			}
			last = d.Derivation
			if err := f(d); err != nil {
				return err
			}
		}
		// Whether a service gives as many as one asks for is not known: the end
		// is where there are none.
		if len(list.Derivations) == 0 {
			return nil
		}
		query.Set("after_name", last)
	}
}
