package substitutes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ownHTTP is the client for those who do not bring their own. All share its
// connections.
var ownHTTP = sync.OnceValue(func() *http.Client {
	return &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   4,
		},
	}
})

var errRedirect = errors.New("bad redirection")

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return fmt.Errorf("%w: there are more than five", errRedirect)
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: from https to %s", errRedirect, req.URL.Scheme)
	}
	return nil
}

// parseBase reads a substitute URL. What it returns ends in a slash, so that
// relative references are below it.
func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error would quote the URL, and with it a password.
		return nil, errors.New("a substitute URL cannot be parsed")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, at(u, errors.New("a substitute URL starts with http:// or https:// and a host"))
	}
	return u.JoinPath("/"), nil
}

const (
	defaultStall = time.Minute
	stallBytes   = 64 << 10
)

// get requests u, and returns the body of the answer if there is a good one.
// More than limit bytes are an error.
func (c *Client) get(parent context.Context, u *url.URL, limit int64) (*body, error) {
	client := c.HTTP
	if client == nil {
		client = ownHTTP()
	}
	stall := c.Stall
	if stall == 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(parent)
	b := &body{
		ctx:    ctx,
		parent: parent,
		cancel: cancel,
		stall:  stall,
		timer:  time.AfterFunc(stall, func() { cancel(errStalled) }),
		left:   limit,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		b.Close()
		return nil, err
	}
	req.Header.Set("User-Agent", "tbfg")
	// What is compressed is compressed already. Go must not ask for, and
	// silently undo, another layer: our limits are for what is sent.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(req)
	b.timer.Stop()
	if err != nil {
		b.Close()
		return nil, b.reason(err)
	}
	b.r = resp.Body
	if err := checkStatus(resp); err != nil {
		io.CopyN(io.Discard, b, 4<<10) // for the connection to be used again
		b.Close()
		return nil, err
	}
	if resp.ContentLength > limit {
		b.Close()
		return nil, errTooLong
	}
	return b, nil
}

func checkStatus(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound && resp.Header.Get("X-Baking") != "":
		// guix publish --cache starts to compress an item when it is
		// first asked for it (guix/scripts/publish.scm, not-found).
		return unavailable(errors.New("the server is still preparing it"))
	case code == http.StatusNotFound, code == http.StatusGone:
		return errNotFound
	case code >= 500, code == http.StatusTooManyRequests,
		code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return unavailable(fmt.Errorf("the server answers %s", clip(resp.Status)))
	}
	return fmt.Errorf("the server answers %s", clip(resp.Status))
}

// A body is that of an answer. It enforces the limits on size and time, and
// keeps its first error.
type body struct {
	ctx, parent context.Context
	cancel      context.CancelCauseFunc
	r           io.ReadCloser
	left        int64
	err         error

	// timer ends the request when reading has waited for too long. Only
	// the time inside Read counts: that the caller is slow is not the
	// server's fault.
	timer  *time.Timer
	stall  time.Duration
	waited time.Duration // since the last stallBytes were complete
	got    int           // of the next stallBytes
}

var (
	errStalled = errors.New("the server does not deliver")
	errTooLong = errors.New("the server sends more than there can be")
)

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than there may be
	}
	b.timer.Reset(max(b.stall-b.waited, 0))
	start := time.Now()
	n, err := b.r.Read(p)
	b.timer.Stop()
	b.waited += time.Since(start)
	if b.got += n; b.got >= stallBytes {
		b.got, b.waited = 0, 0
	}
	if int64(n) > b.left {
		n, b.err = int(b.left), errTooLong
	} else if err == io.EOF {
		b.err = io.EOF
	} else if err != nil {
		b.err = b.reason(err)
	}
	b.left -= int64(n)
	return n, b.err
}

// Close ends the request.
func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	if b.r == nil {
		return nil
	}
	return b.r.Close()
}

// reason says why a request has failed: by what the caller did, by the server's
// slowness, or by err.
func (b *body) reason(err error) error {
	if b.parent.Err() != nil {
		return context.Cause(b.parent)
	}
	if cause := context.Cause(b.ctx); cause == errStalled {
		return unavailable(fmt.Errorf("%w within %v", cause, b.stall))
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // without the URL, which the caller adds
	}
	if errors.Is(err, errRedirect) {
		return err
	}
	return unavailable(err)
}

// clip keeps what a server sent from filling a log line.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
