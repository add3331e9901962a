package shepherd

import (
	"context"
	"log/slog"
	"time"
)

// postTime is the time in the post's logs, told in another zone.
var postTime = time.Date(2025, 8, 13, 2, 0, 0, 0, time.FixedZone("CEST", 2*3600))

// fixedTime gives every record the time of the post.
type fixedTime struct{ slog.Handler }

func (h fixedTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = postTime
	return h.Handler.Handle(ctx, r)
}

func (h fixedTime) WithAttrs(attrs []slog.Attr) slog.Handler {
	return fixedTime{h.Handler.WithAttrs(attrs)}
}

func (h fixedTime) WithGroup(name string) slog.Handler { return fixedTime{h.Handler.WithGroup(name)} }
