package wire

import (
	"net/url"
	"strconv"
)

// OutputPart is the query of the routes that take outputs. All of it is tbfg's
// own and may be left out.
type OutputPart struct {
	Offset int64  // where the body begins in the file; negative if not said
	Hash   string // of the NAR, as in a result; empty if not said
}

// Query is the part as it goes out.
func (p OutputPart) Query() string {
	q := make(url.Values)
	if p.Offset >= 0 {
		q.Set("offset", strconv.FormatInt(p.Offset, 10))
	}
	if p.Hash != "" {
		q.Set("hash", p.Hash)
	}
	return q.Encode()
}

// ParseOutputPart reads such a query.
func ParseOutputPart(q url.Values) (p OutputPart, err error) {
	p.Offset, p.Hash = -1, q.Get("hash")
	if q.Has("offset") {
		p.Offset, err = naturalNumber(q, "offset")
	}
	return p, err
}
