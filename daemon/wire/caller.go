package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Caller is the other side of an API. It never repeats a request: whoever
// calls decides what to do about an error.
type Caller struct {
	Base string            // URL of the API, without a trailing slash
	Auth func(http.Header) // adds credentials; may be nil
	HTTP *http.Client
}

// NewCaller is a caller of the API at a base URL, or at a unix socket as in
// "unix:/run/tbfg/client.socket".
func NewCaller(base string, auth func(http.Header)) *Caller {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if socket, ok := strings.CutPrefix(base, "unix:"); ok {
		base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	transport.Proxy = nil // the farm's own machines
	transport.MaxIdleConnsPerHost = 16
	return &Caller{strings.TrimRight(base, "/"), auth, &http.Client{
		Transport: transport,
		// The APIs never redirect: one that does is something else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Trust makes the caller accept https servers of these authorities, in the
// place of the system's.
func (c *Caller) Trust(roots *x509.CertPool) {
	c.HTTP.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
}

// A StatusError is an answer other than 2xx.
type StatusError struct {
	Status     int
	Code       string // the error code or sentence of the body
	Message    string // a sentence, or empty
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Code != "":
		return e.Code
	}
	return strings.TrimSpace(fmt.Sprintf("the answer was HTTP %d %s", e.Status, http.StatusText(e.Status)))
}

// JSON sends in, unless it is nil, and decodes the answer into out, unless it
// is nil.
func (c *Caller) JSON(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	return c.Do(ctx, method, path, "application/json", body, out)
}

// Text gets what is there, as it is.
func (c *Caller) Text(ctx context.Context, path string) (text []byte, err error) {
	err = c.Do(ctx, http.MethodGet, path, "", nil, &text)
	return text, err
}

// Sized is a body whose size is known, so that it need not go out in chunks.
type Sized struct {
	io.Reader
	Size int64
}

// Do sends a body of any type. If out is a *[]byte the answer is left as it is.
func (c *Caller) Do(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
		if sized, ok := body.(Sized); ok {
			if req.ContentLength = sized.Size; sized.Size == 0 {
				req.Body = http.NoBody // zero alone would mean an unknown size
			}
		}
	}
	_, data, err := c.send(req)
	if err != nil {
		return err
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = data
		return nil
	}
	if err := Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s %s: the answer makes no sense: %w", method, req.URL, err)
	}
	return nil
}

// Length is the length of what lies at a path.
func (c *Caller) Length(ctx context.Context, path string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.Base+path, nil)
	if err != nil {
		return 0, fmt.Errorf("HEAD %s: %w", path, err)
	}
	resp, _, err := c.send(req)
	if err == nil && resp.ContentLength < 0 {
		err = fmt.Errorf("HEAD %s: the answer has no length", req.URL)
	}
	if err != nil {
		return 0, err
	}
	return resp.ContentLength, nil
}

// send sends a request with credentials and reads the answer.
func (c *Caller) send(req *http.Request) (resp *http.Response, data []byte, err error) {
	if c.Auth != nil {
		c.Auth(req.Header)
	}
	resp, err = c.HTTP.Do(req)
	if err != nil {
		return nil, nil, err // says method, URL and what went wrong
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: read the answer: %w", req.Method, req.URL, err)
	}
	if resp.StatusCode/100 != 2 {
		var e ErrorBody
		_ = json.Unmarshal(data, &e) // another server's error page is none of ours
		seconds, _ := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
		return nil, nil, &StatusError{resp.StatusCode, e.Error, e.Message, max(0, seconds)}
	}
	return resp, data, nil
}
