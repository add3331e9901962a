package front

import (
	"bytes"
	"io"
	"net/http"
)

// sendLive sends a log under way: what there is, size bytes at least, or the
// last lines of that; then what comes, as it comes, until the build ends. All
// readers share the store's one file and one signal.
func sendLive(w http.ResponseWriter, r *http.Request, text io.Reader, size int64, lines int) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store") // the same URL will have the finished log
	header.Set("X-Accel-Buffering", "no")   // for an nginx in front of us
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
	chunk := chunks.Get().(*[atOnce]byte)
	defer chunks.Put(chunk)
	if size == 0 && connection.Flush() != nil { // the reader shall see that it has begun
		return
	}
	for {
		n, err := text.Read(chunk[:])
		if n > 0 {
			limitTime(w, 0)
			if _, err := w.Write(chunk[:n]); err != nil || connection.Flush() != nil {
				panic(http.ErrAbortHandler) // the reader is gone, or asleep
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			abort(r, err)
		}
	}
}
