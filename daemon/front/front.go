// Package front is the log endpoint (port 8747): it serves the builds' logs
// to browsers, as the nginx of the post "Tiny Build Farm for Guix" does.
package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"

	"github.com/klauspost/compress/gzip"
)

// Handler serves GET /build/UUID/log. find says what there is to know of a
// build, with an error of the code [daemon.NotFound] or [daemon.Invalid] for
// one that does not exist.
func Handler(logs *buildlog.Store, find func(ctx context.Context, uuid string) (daemon.BuildDetail, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /build/{uuid}/log", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		uuid := r.PathValue("uuid")
		build, err := find(r.Context(), uuid)
		switch code := daemon.CodeOf(err); {
		case code == daemon.NotFound || code == daemon.Invalid:
			http.Error(w, "There is no build "+uuid+" here.", http.StatusNotFound)
			return
		case err != nil:
			slog.Error("cannot look up a build for its log", "build", uuid, "err", err)
			http.Error(w, "The build could not be looked up; the coordinator's log says why.", http.StatusInternalServerError)
			return
		}
		f, err := os.Open(logs.File(uuid))
		if errors.Is(err, fs.ErrNotExist) {
			http.Error(w, absent(build.State), http.StatusNotFound)
			return
		}
		if err == nil {
			defer f.Close()
			err = serve(w, r, f)
		}
		if err != nil {
			slog.Error("cannot serve a log", "build", uuid, "err", err)
			http.Error(w, "The log could not be read; the coordinator's log says why.", http.StatusInternalServerError)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean(r.URL.Path) {
			http.NotFound(w, r) // the mux would redirect, which the APIs never do either
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// absent says why a build has no log.
func absent(state daemon.State) string {
	switch state {
	case daemon.Started, daemon.Allocated:
		return "This build is with an agent; its log arrives when it ends."
	case daemon.Succeeded, daemon.Failed:
		return "This build has no log: its agent sent none."
	case daemon.Canceled:
		return "This build was canceled before it had a log."
	case daemon.Blocked:
		return "This build has no log: something that it needs failed, so it does not start."
	case daemon.Waiting:
		return "This build has no log yet: it waits for builds of what it needs."
	}
	return fmt.Sprintf("This build has no log yet: it is %s, and waits for an agent.", state)
}

// serve sends a log.gz as it lies to those who accept gzip, and its text to
// the others. The error is one that came before anything was sent.
func serve(w http.ResponseWriter, r *http.Request, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// A log is written once, under a name of its own: time and size tell
	// two versions apart.
	tag := fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
	header := w.Header()
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Type", contentType)
		header.Set("Content-Encoding", "gzip")
		header.Set("Vary", "Accept-Encoding")
		header.Set("Etag", `"`+tag+`-gzip"`)
		if r.Header.Get("If-Match") == "" && r.Header.Get("If-Unmodified-Since") == "" {
			// ServeContent leaves the length out beside an encoding, and
			// does not take it back when such a condition fails.
			header.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		}
		http.ServeContent(w, r, "", info.ModTime(), f)
		return nil
	}
	text, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	header.Set("Content-Type", contentType)
	header.Set("Vary", "Accept-Encoding")
	header.Set("Etag", `"`+tag+`"`)
	header.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, header.Get("Etag")) {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, text); err != nil {
		if r.Context().Err() == nil { // else the reader is gone
			slog.Error("cannot read a log to its end", "file", f.Name(), "err", err)
		}
		// Too late for another status: cut the connection, so that the
		// reader does not take a part for the whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// contentType is that of the post's nginx.
const contentType = "text/plain; charset=UTF-8"

// acceptsGzip reads Accept-Encoding headers: gzip must be named, or "*", and
// its weight must not be zero.
func acceptsGzip(headers []string) bool {
	best := false
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "x-gzip" && coding != "*" {
			continue
		}
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(parameters, " ", "")), "q="); ok {
			weight, _ = strconv.ParseFloat(q, 64)
		}
		if coding != "*" {
			return weight > 0
		}
		best = weight > 0
	}
	return best
}
