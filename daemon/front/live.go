package front

import (
	"bytes"
	"html/template"
	"io"
	"net/http"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// sendLive sends a log under way: what there is, size bytes at least, or the
// last lines of that; then what comes, as it comes, until the build ends. All
// readers share the store's one file and one signal.
//
// Browsers get it as a page. Chromium shows every second piece of a plain text
// only when the next one arrives, however large they are and whatever the
// headers say.
func sendLive(w http.ResponseWriter, r *http.Request, text io.Reader, size int64, lines int) {
	header := w.Header()
	header.Set("Cache-Control", "no-store") // the same URL will have the finished log
	header.Set("X-Accel-Buffering", "no")   // for an nginx in front of us
	header.Set("Content-Type", contentType)
	page := strings.Contains(r.Header.Get("Accept"), "text/html")
	if page {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", policy)
	}
	if r.Method == http.MethodHead {
		return
	}
	if lines > 0 {
		end, err := tail(io.LimitReader(text, size), lines)
		if err != nil {
			abort(r, err)
		}
		text = io.MultiReader(bytes.NewReader(end), text)
	}
	connection := http.NewResponseController(w)
	write := func(p []byte) {
		patience.Limit(w, 0)
		_, err := w.Write(p)
		if err == nil {
			err = connection.Flush()
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the reader is gone, or asleep
		}
	}
	if page {
		write(execute("log", r.PathValue("uuid")))
	} else {
		write(nil) // the reader shall see that it has begun
	}
	chunk := chunks.Get().(*[atOnce]byte)
	defer chunks.Put(chunk)
	var escaped bytes.Buffer
	for {
		n, err := text.Read(chunk[:])
		if n > 0 && page {
			escaped.Reset()
			template.HTMLEscape(&escaped, chunk[:n])
			write(escaped.Bytes())
		} else if n > 0 {
			write(chunk[:n])
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			abort(r, err)
		}
	}
}
