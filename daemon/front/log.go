package front

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// contentType is that of the post's nginx.
const contentType = "text/plain; charset=UTF-8"

// logHandler serves logs. A log under way is sent as it grows (live.go). One
// that is finished is sent as it lies to those who accept gzip, and as text to
// the others (text.go). With the parameter tail only its last lines are sent
// (tail.go).
type logHandler struct {
	logs  *buildlog.Store
	farm  Farm
	cache *cache
}

func (h *logHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	uuid := r.PathValue("uuid")
	if !isUUID(uuid) {
		h.explain(w, r, uuid)
		return
	}
	lines := 0
	if r.URL.RawQuery != "" {
		var err error
		if lines, err = parseTail(r.URL.Query()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	key := entryKey{uuid, !acceptsGzip(r.Header["Accept-Encoding"])}
	changes := h.logs.Changes() // before the look
	if lines == 0 {
		if log, ok := h.cache.fresh(key, changes); ok {
			log.send(w, r, key.text)
			return
		}
	}
	if _, live := h.logs.Live(uuid); live {
		text, err := h.logs.Follow(r.Context(), uuid)
		if err == nil {
			defer text.Close()
			sendLive(w, r, text, h.liveSize(uuid), lines)
			return
		}
		if !errors.Is(err, fs.ErrNotExist) { // else it ended just now
			h.fail(w, uuid, err)
			return
		}
	}
	err := h.sendFinished(w, r, key, changes, lines)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.explain(w, r, uuid)
	case err != nil:
		h.fail(w, uuid, err)
	}
}

func (h *logHandler) liveSize(uuid string) int64 {
	size, _ := h.logs.Live(uuid)
	return size
}

func (h *logHandler) fail(w http.ResponseWriter, uuid string, err error) {
	slog.Error("cannot serve a log", "build", uuid, "err", err)
	http.Error(w, "The log could not be read; the coordinator's log says why.", http.StatusInternalServerError)
}

// explain says why a build has no log.
func (h *logHandler) explain(w http.ResponseWriter, r *http.Request, uuid string) {
	build, err := h.farm.Build(r.Context(), uuid)
	switch code := daemon.CodeOf(err); {
	case err == nil:
		http.Error(w, absent(build.State), http.StatusNotFound)
	case code == daemon.NotFound || code == daemon.Invalid:
		http.Error(w, "There is no build "+uuid+" here.", http.StatusNotFound)
	default:
		slog.Error("cannot look up a build for its log", "build", uuid, "err", err)
		http.Error(w, "The build could not be looked up; the coordinator's log says why.", http.StatusInternalServerError)
	}
}

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

// isUUID tells whether something can be the name of a log's directory; the
// post's nginx takes the same characters.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// sendFinished sends a finished log. The error is one that came before
// anything was sent.
func (h *logHandler) sendFinished(w http.ResponseWriter, r *http.Request, key entryKey, changes int64, lines int) error {
	name := h.logs.File(key.uuid)
	if lines == 0 {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if log, ok := h.cache.get(key, versionOf(info), changes); ok {
			log.send(w, r, key.text)
			return nil
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	v := versionOf(info)
	keep := func(log whole) { h.cache.put(key, log, changes) }
	switch {
	case lines > 0:
		return sendTail(w, r, f, v, lines)
	case key.text:
		return sendText(w, r, f, v, keep)
	}
	return sendFile(w, r, f, v, keep)
}

// sendFile sends a log as it lies.
func sendFile(w http.ResponseWriter, r *http.Request, f *os.File, v version, keep func(whole)) error {
	if v.size <= cacheFile {
		data := make([]byte, v.size)
		if _, err := io.ReadFull(f, data); err != nil {
			return err
		}
		log := whole{v, data}
		keep(log)
		log.send(w, r, false)
		return nil
	}
	patience.Limit(w, v.size)
	v.describe(w, false)
	if wantsAll(r) {
		v.announce(w, v.size)
		_, _ = io.CopyN(w, f, v.size)
		return nil
	}
	v.serveContent(w, r, f, false)
	return nil
}

// wantsAll tells whether a request is for the whole of a log in any case. Most
// are; for them there is a shorter way than ServeContent.
func wantsAll(r *http.Request) bool {
	for name := range r.Header {
		if name == "Range" || strings.HasPrefix(name, "If-") {
			return false
		}
	}
	return r.Method == http.MethodGet
}
