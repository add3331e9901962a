package front

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon/patience"
)

// Of a log's end so much can be had, in lines and in bytes.
const (
	maxTail      = 10_000
	maxTailBytes = 1 << 20
)

// parseTail is the number of lines that a query wants; zero stands for all.
func parseTail(query url.Values) (lines int, err error) {
	values, there := query["tail"]
	if !there {
		return 0, nil
	}
	lines, err = strconv.Atoi(values[0])
	if err != nil || lines < 1 || lines > maxTail {
		return 0, fmt.Errorf("tail must be a number of lines from 1 to %d, such as ?tail=200", maxTail)
	}
	return lines, nil
}

// sendTail sends the last lines of a finished log.
func sendTail(w http.ResponseWriter, r *http.Request, f *os.File, v version, lines int) error {
	patience.Limit(w, v.size)
	return decompress(f, v.size, func(z io.Reader) error {
		end, err := tail(z, lines)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Etag", `"`+v.tag()+"-tail"+strconv.Itoa(lines)+`"`)
		http.ServeContent(w, r, "", v.modified(), bytes.NewReader(end))
		return nil
	})
}

// tail reads a text to its end and returns its last lines. Of more than
// maxTailBytes it returns those that are whole, and of one longer line its end.
func tail(text io.Reader, lines int) ([]byte, error) {
	// Two halves, of which the older one makes room.
	var older, newer []byte
	chunk := chunks.Get().(*[atOnce]byte)
	defer chunks.Put(chunk)
	for {
		n, err := text.Read(chunk[:])
		if len(newer)+n > maxTailBytes {
			older, newer = newer, older[:0]
		}
		newer = append(newer, chunk[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	end := append(older, newer...)
	cut := len(end) > maxTailBytes
	if cut {
		end = end[len(end)-maxTailBytes:]
	}
	at := len(end)
	if at > 0 && end[at-1] == '\n' {
		at-- // that of the last line
	}
	for ; lines > 0; lines-- {
		before := bytes.LastIndexByte(end[:at], '\n')
		if before < 0 {
			break
		}
		at = before
	}
	switch {
	case lines == 0:
		return end[at+1:], nil
	case cut:
		if first := bytes.IndexByte(end, '\n'); first >= 0 && first < len(end)-1 {
			return end[first+1:], nil
		}
	}
	return end, nil
}
