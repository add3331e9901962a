package wire

import (
	"net/url"
	"strconv"

	"codeberg.org/tbfg/tbfg/daemon"
)

// LogChunk is the query of POST /build/UUID/live-log, tbfg's own: what part of
// a log under way its body is.
type LogChunk struct {
	Offset  int64
	Restart bool  // the build, and so the log, begins anew
	Final   bool  // the log ends with this chunk
	Size    int64 // of the whole log, if this is its end
}

// Query is the chunk as it goes out.
func (c LogChunk) Query() string {
	q := url.Values{"offset": {strconv.FormatInt(c.Offset, 10)}}
	if c.Restart {
		q.Set("restart", "1")
	}
	if c.Final {
		q.Set("size", strconv.FormatInt(c.Size, 10))
	}
	return q.Encode()
}

// ParseLogChunk reads such a query.
func ParseLogChunk(q url.Values) (c LogChunk, err error) {
	c.Restart, c.Final = q.Get("restart") == "1", q.Has("size")
	if c.Offset, err = naturalNumber(q, "offset"); err == nil && c.Final {
		c.Size, err = naturalNumber(q, "size")
	}
	return c, err
}

// naturalNumber is a query's parameter that must be there.
func naturalNumber(q url.Values, name string) (int64, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, daemon.Errorf(daemon.Invalid, "the parameter %s is %.40q; it must be a number of bytes", name, q.Get(name))
	}
	return n, nil
}

// LogSize answers a question about a log under way, and a chunk of it.
type LogSize struct {
	Size int64 `json:"size"` // bytes that are there
}
