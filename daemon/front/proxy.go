package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// maxBody bounds what is handed on of a request's body. Pages have forms at
// most.
const maxBody = 1 << 20

// newProxy hands requests on to the front end at a URL, over connections that
// are kept, as the post's nginx does: the Host is the front end's, whose strict
// reading of headers meets nothing new. Answers come through as they arrive,
// so that streams of events are not held back. A request is sent again only
// if it changes nothing, or if nothing of it went out.
func newProxy(bffe *url.URL) http.Handler {
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(bffe)
			r.Out.Host = "" // the URL's
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			// A web server with TLS in front of us, on this machine, knows
			// better what the browser sees.
			if fromHere(r.In.RemoteAddr) {
				for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
					if said := r.In.Header.Get(name); said != "" {
						r.Out.Header.Set(name, said)
					}
				}
			}
		},
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       time.Minute,
			ResponseHeaderTimeout: 2 * time.Minute,
			DisableCompression:    true, // what the browser accepts is asked for, no more
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { explainBFFE(w, r, bffe, err) },
		ErrorLog:      slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			tooLarge(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody) // it may not say
		// Streams of events do not end. It fails only in tests.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		forward.ServeHTTP(w, r)
	})
}

func fromHere(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// explainBFFE answers when the front end does not.
func explainBFFE(w http.ResponseWriter, r *http.Request, bffe *url.URL, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		tooLarge(w)
		return
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to read it
	}
	slog.Warn("the front end does not answer", "bffe", bffe.Redacted(), "path", r.URL.Path, "err", err)
	patience.Limit(w, 0)
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	render(w, status, "trouble", struct{ URL, Reason string }{bffe.Redacted(), reason(err)})
}

func tooLarge(w http.ResponseWriter) {
	http.Error(w, "The request is larger than what is handed on to the front end.", http.StatusRequestEntityTooLarge)
}

// reason is the part of an error that means something to people.
func reason(err error) string {
	text := err.Error()
	if _, last, found := strings.Cut(text, "connect: "); found {
		return last
	}
	return text
}
