package front

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// A version tells a file from one that took its place, and from what it was
// before somebody wrote to it.
type version struct {
	inode, size, time int64
}

func versionOf(info fs.FileInfo) version {
	v := version{size: info.Size(), time: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode = int64(stat.Ino)
	}
	return v
}

func (v version) modified() time.Time { return time.Unix(0, v.time).UTC() }

// tag is for ETags. A log is written once, under a name of its own: time and
// size tell two versions apart, also on another disk.
func (v version) tag() string {
	return strconv.FormatInt(v.time, 16) + "-" + strconv.FormatInt(v.size, 16)
}

// describe sets the headers that tell what a log is.
func (v version) describe(w http.ResponseWriter, text bool) {
	header := w.Header()
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", contentType)
	if text {
		header.Set("Etag", `"`+v.tag()+`"`)
		return
	}
	header.Set("Content-Encoding", "gzip")
	header.Set("Etag", `"`+v.tag()+`-gzip"`)
}

// announce sets the headers of a whole, as ServeContent does.
func (v version) announce(w http.ResponseWriter, length int64) {
	header := w.Header()
	header.Set("Accept-Ranges", "bytes")
	header.Set("Last-Modified", v.modified().Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(length, 10))
}

// serveContent is for requests that are not for a whole in any case.
func (v version) serveContent(w http.ResponseWriter, r *http.Request, content io.ReadSeeker, text bool) {
	if !text && r.Header.Get("If-Match") == "" && r.Header.Get("If-Unmodified-Since") == "" {
		// ServeContent leaves the length out beside an encoding, and
		// does not take it back when such a condition fails.
		w.Header().Set("Content-Length", strconv.FormatInt(v.size, 10))
	}
	http.ServeContent(w, r, "", v.modified(), content)
}

// A whole is a whole log in memory, as it lies or as text. Nobody writes to
// its data.
type whole struct {
	version
	data []byte
}

func (l whole) send(w http.ResponseWriter, r *http.Request, text bool) {
	patience.Limit(w, int64(len(l.data)))
	l.describe(w, text)
	if wantsAll(r) {
		l.announce(w, int64(len(l.data)))
		writeWhole(w, r, l.data)
		return
	}
	l.serveContent(w, r, bytes.NewReader(l.data), text)
}
