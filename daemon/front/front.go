// Package front is the farm's front door (port 8747). It serves the builds'
// logs to browsers, as the nginx of the post "Tiny Build Farm for Guix" does,
// and hands everything else on to the Build Farm Front-End. Without one it has
// a small page of its own.
package front

import (
	"context"
	"net/http"
	"net/url"
	"path"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// A Farm is what there is to know for the logs and the page; the coordinator
// is one.
type Farm interface {
	// Build fails with the code [daemon.NotFound] or [daemon.Invalid] for
	// one that does not exist.
	Build(ctx context.Context, uuid string) (daemon.BuildDetail, error)
	Agents(ctx context.Context) ([]daemon.Agent, error)
	// Recent are the newest builds, at most so many, newest first.
	Recent(ctx context.Context, limit int) ([]daemon.Build, error)
	// Queue counts the unfinished builds by system and state.
	Queue() map[string]map[daemon.State]int
	// Trouble is why no builds are handed out; nil if they are.
	Trouble() error
}

// Handler serves GET /build/UUID/log, and everything else from the server at
// the URL bffe; nil stands for none.
func Handler(logs *buildlog.Store, farm Farm, bffe *url.URL) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /build/{uuid}/log", &logHandler{logs, farm, newCache()})
	var rest http.Handler
	if bffe != nil {
		rest = newProxy(bffe)
		mux.Handle("/", rest)
	} else {
		rest = http.NotFoundHandler()
		mux.Handle("GET /{$}", &page{logs, farm})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		patience.Limit(w, 0) // a log has more, and the proxy does not know
		if r.URL.Path != path.Clean(r.URL.Path) {
			// The mux would redirect, which the APIs never do either.
			rest.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
