package report

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"

	"github.com/klauspost/compress/gzip"
)

// A Source has the accounts that are shown. While nothing happens it returns the
// same pointer again, so that a page need not be made anew.
type Source interface {
	Names(ctx context.Context) ([]string, error)
	Recent(ctx context.Context, name string) (*account.Account, error)
}

// Handler serves /report/, /report/NAME and, below that, feed.atom, badge.svg,
// account.json and account.csv. Links to builds go to /build/UUID and
// /build/UUID/log of the same server.
func Handler(source Source) http.Handler {
	h := &handler{source: source, made: make(map[string]made)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /report/{$}", h.index)
	mux.HandleFunc("GET /report/{name}", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, "") })
	mux.HandleFunc("GET /report/{name}/{file}", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, r.PathValue("file")) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// It fails only where there is no connection, as in tests.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxReading))
		if clean := path.Clean(r.URL.Path); r.URL.Path != clean && r.URL.Path != clean+"/" {
			http.NotFound(w, r) // the mux would redirect
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// maxReading is how long a reader may take over a report, which has a few MB at
// most: those who fell asleep do not keep a connection.
const maxReading = 10 * time.Minute

type handler struct {
	source Source
	mu     sync.Mutex      // guards made
	made   map[string]made // by name and kind
}

// made is a page that was made of an account.
type made struct {
	of     *account.Account
	plain  []byte
	zipped []byte
	tag    string
}

// A kind is a file of a report.
type kind struct {
	contentType string
	write       func(io.Writer, *account.Account, *http.Request) error
}

var kinds = map[string]kind{
	"": {"text/html; charset=utf-8", func(w io.Writer, a *account.Account, _ *http.Request) error {
		return HTML(w, a, Links{Own: a.Collection + "/", Builds: "/build/", Index: "./"})
	}},
	"feed.atom": {"application/atom+xml", func(w io.Writer, a *account.Account, r *http.Request) error { return Atom(w, a, origin(r)) }},
	"badge.svg": {"image/svg+xml", func(w io.Writer, a *account.Account, _ *http.Request) error { return Badge(w, a) }},
	"account.json": {"application/json", func(w io.Writer, a *account.Account, _ *http.Request) error {
		return writeJSON(w, a)
	}},
	"account.csv": {"text/csv; charset=utf-8", func(w io.Writer, a *account.Account, _ *http.Request) error {
		return CSV(w, a, sorted(a.Packages))
	}},
}

// origin is where the reader of a feed found it.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, file string) {
	k, ok := kinds[file]
	if !ok {
		http.NotFound(w, r)
		return
	}
	name := r.PathValue("name")
	a, err := h.source.Recent(r.Context(), name)
	if err != nil {
		fail(w, r, name, err)
		return
	}
	key := name + "\x00" + file
	if file == "feed.atom" {
		key += "\x00" + origin(r)
	}
	page, err := h.page(key, a, func(w io.Writer) error { return k.write(w, a, r) })
	if err != nil {
		fail(w, r, name, err)
		return
	}
	w.Header().Set("Content-Type", k.contentType)
	page.send(w, r)
}

// maxMade bounds how many pages are remembered.
const maxMade = 200

func (h *handler) page(key string, a *account.Account, write func(io.Writer) error) (made, error) {
	h.mu.Lock()
	page, ok := h.made[key]
	h.mu.Unlock()
	if ok && page.of == a {
		return page, nil
	}
	var plain, zipped bytes.Buffer
	if err := write(&plain); err != nil {
		return page, err
	}
	zip, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err == nil {
		_, err = zip.Write(plain.Bytes())
	}
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		return page, err
	}
	sum := fnv.New64a()
	sum.Write(plain.Bytes())
	page = made{a, plain.Bytes(), zipped.Bytes(), fmt.Sprintf("%016x", sum.Sum64())}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.made) >= maxMade {
		clear(h.made)
	}
	h.made[key] = page
	return page, nil
}

func (m made) send(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", Policy)
	header.Set("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "no-cache") // ask whether it is still true
	body, tag := m.plain, `"`+m.tag+`"`
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = m.zipped, `"`+m.tag+`-gzip"`
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Etag", tag)
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, m.tag) {
		header.Del("Content-Type")
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // to a HEAD request the server sends none of it
}

func (h *handler) index(w http.ResponseWriter, r *http.Request) {
	names, err := h.source.Names(r.Context())
	var list []Summary
	for _, name := range names {
		a, e := h.source.Recent(r.Context(), name)
		if daemon.CodeOf(e) == daemon.NotFound {
			continue // it was removed meanwhile
		}
		if err = e; err != nil {
			break
		}
		list = append(list, Summary{name, a})
	}
	var body bytes.Buffer
	if err == nil {
		err = Index(&body, list)
	}
	if err != nil {
		fail(w, r, "all collections", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", Policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(body.Bytes())
}

func fail(w http.ResponseWriter, r *http.Request, name string, err error) {
	switch code := daemon.CodeOf(err); {
	case code == daemon.NotFound || code == daemon.Invalid:
		http.Error(w, "There is no collection "+name+" here.", http.StatusNotFound)
	case r.Context().Err() != nil: // the reader is gone
	default:
		slog.Error("cannot serve a report", "collection", name, "err", err)
		http.Error(w, "The report could not be made; the coordinator's log says why.", http.StatusInternalServerError)
	}
}
