package front

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
)

// contentType is that of the post's nginx.
const contentType = "text/plain; charset=UTF-8"

// logHandler serves logs. A log under way is sent as it grows (live.go). One
// that is finished is sent as it lies to those who accept gzip, and as text to
// the others (text.go). With the parameter tail only its last lines are sent
// (tail.go).
type logHandler struct {
	logs *buildlog.Store
	farm Farm
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
	f, err := os.Open(h.logs.File(uuid))
	if errors.Is(err, fs.ErrNotExist) {
		h.explain(w, r, uuid)
		return
	}
	if err != nil {
		h.fail(w, uuid, err)
		return
	}
	defer f.Close()
	if err := send(w, r, f, lines); err != nil {
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

// send sends a finished log. The error is one that came before anything was
// sent.
func send(w http.ResponseWriter, r *http.Request, f *os.File, lines int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	limitTime(w, info.Size())
	// A log is written once, under a name of its own: time and size tell
	// two versions apart.
	tag := strconv.FormatInt(info.ModTime().UnixNano(), 16) + "-" + strconv.FormatInt(info.Size(), 16)
	header := w.Header()
	if lines > 0 {
		return sendTail(w, r, f, info, tag, lines)
	}
	header.Set("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header["Accept-Encoding"]) {
		return sendText(w, r, f, info, tag)
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Encoding", "gzip")
	header.Set("Etag", `"`+tag+`-gzip"`)
	if wantsAll(r) {
		announce(w, info, info.Size())
		_, _ = io.CopyN(w, f, info.Size())
		return nil
	}
	if r.Header.Get("If-Match") == "" && r.Header.Get("If-Unmodified-Since") == "" {
		// ServeContent leaves the length out beside an encoding, and
		// does not take it back when such a condition fails.
		header.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	}
	http.ServeContent(w, r, "", info.ModTime(), f)
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

// announce sets the headers of a whole, as ServeContent does.
func announce(w http.ResponseWriter, info fs.FileInfo, length int64) {
	header := w.Header()
	header.Set("Accept-Ranges", "bytes")
	header.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(length, 10))
}

// patience is how long a reader may take nothing of what it is sent, and
// slowest how many bytes a second it must take of a whole log.
const (
	patience = time.Minute
	slowest  = 4 << 10
)

// limitTime bounds how long so many bytes may take, so that readers who fell
// asleep do not keep a connection and an open file each.
func limitTime(w http.ResponseWriter, size int64) {
	limit := patience + time.Duration(size/slowest)*time.Second
	// It fails only where there is no connection, as in tests.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}
