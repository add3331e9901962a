package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// DataService is where a Guix Data Service takes reports of builds.
type DataService struct {
	URL       string
	ID        int64  // the number by which it knows this farm
	TokenFile string // read for each report, so that it can be changed
}

// statuses are the data service's words for events. Those that it does not
// know it answers with an internal error.
var statuses = map[string]string{
	daemon.BuildSubmitted: "scheduled",
	daemon.BuildStarted:   "started",
	daemon.BuildSuccess:   "succeeded",
	daemon.BuildFailure:   "failed",
	daemon.BuildCanceled:  "canceled",
}

// report is the body of a request.
type report struct {
	Items []reportItem `json:"items"`
}

type reportItem struct {
	Type       string         `json:"type"`
	Event      string         `json:"event"`
	Timestamp  int64          `json:"timestamp"` // seconds
	Derivation storepath.Path `json:"derivation"`
	Build      string         `json:"build_id"`
}

// reporter is a hook that reports to a data service.
type reporter struct {
	DataService
	secret func(file string) (secret, warning string, err error)
	client *http.Client
	warn   func(warning string) // does so once
}

func newReporter(s DataService, secret func(string) (string, string, error), log *slog.Logger) *reporter {
	var once sync.Once
	return &reporter{DataService: s, secret: secret,
		warn: func(warning string) { once.Do(func() { log.Warn(warning) }) },
		client: &http.Client{
			// A redirected POST would become a GET, or take the token to
			// somebody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
}

// tell reports one event. The token is in no error that it returns.
func (r *reporter) tell(ctx context.Context, e daemon.HookEvent) error {
	body, err := reportBody(e)
	if err != nil {
		return err
	}
	token, warning, err := r.secret(r.TokenFile)
	if err != nil {
		return err
	}
	if warning != "" {
		r.warn(warning)
	}
	base, err := url.Parse(r.URL)
	if err != nil {
		return refuse("the URL of the data service is wrong")
	}
	target := base.JoinPath("build-server", strconv.FormatInt(r.ID, 10), "build-events")
	shown := target.Redacted()
	target.RawQuery = url.Values{"token": {token}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return refuse("the URL of the data service is wrong")
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		// The error of package http has the whole URL in it.
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("POST %s: %w", shown, err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 16<<10)) // the status says enough
	if response.StatusCode/100 == 2 {
		return nil
	}
	answer := strings.NewReplacer(token, "TOKEN", url.QueryEscape(token), "TOKEN").Replace(reason(text))
	return r.refused(response.StatusCode, fmt.Errorf("POST %s: the data service answers %s: %s", shown, response.Status, answer), answer)
}

// refused tells apart what another attempt may mend and what not.
func (r *reporter) refused(status int, err error, answer string) error {
	switch {
	case status == http.StatusForbidden:
		return refuse("%w (is the token in %s the one for build server %d?)", err, r.TokenFile, r.ID)
	case status/100 == 4 && (strings.Contains(answer, "could not parse") || strings.Contains(answer, "no items") ||
		strings.Contains(answer, "missing items")):
		return refuse("%w (it does not understand this report, and will not the next time)", err)
	case status/100 == 3:
		return fmt.Errorf("%w (the configuration must have the URL that it is redirected to)", err)
	}
	return err
}

// reason is what an answer says in words.
func reason(text []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		return bounded(answer.Error)
	}
	if len(text) > 200 { // a page for people
		text = text[:200]
	}
	return strings.ToValidUTF8(strings.Join(strings.Fields(string(text)), " "), "")
}

// reportBody is an event as the data service reads it.
func reportBody(e daemon.HookEvent) ([]byte, error) {
	status, ok := statuses[e.Event]
	if !ok {
		return nil, refuse("a data service cannot be told of %s", e.Event)
	}
	var event daemon.Event
	if err := json.Unmarshal(e.Arguments, &event); err != nil {
		return nil, refuse("the event in the outbox is damaged: %w", err)
	}
	return json.Marshal(report{[]reportItem{{Type: "build", Event: status, Timestamp: event.Time.Unix(),
		Derivation: event.Derivation, Build: event.Build}}})
}
