package shepherd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// LogHandler writes log records as the Guix Build Coordinator writes its own,
//
//	2025-08-13 00:00:00 (INFO ): starting agent e092df28-…
//
// followed by the attributes as " key=value". One record is one line,
// whatever is in it.
type LogHandler struct {
	mu         *sync.Mutex // guards w
	w          io.Writer
	level      slog.Leveler
	timestamps bool
	prefix     string // of keys, from WithGroup
	attrs      string // formatted, from WithAttrs
}

// NewLogHandler is a handler that writes records of the level and above to w.
// Times, in UTC, can be left to whatever reads the log.
func NewLogHandler(w io.Writer, level slog.Leveler, timestamps bool) *LogHandler {
	return &LogHandler{mu: new(sync.Mutex), w: w, level: level, timestamps: timestamps}
}

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler.
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	if h.timestamps && !r.Time.IsZero() {
		line.WriteString(r.Time.UTC().Format(time.DateTime) + " ")
	}
	fmt.Fprintf(&line, "(%-5s): %s%s", r.Level, oneLine(r.Message), h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.format(&line, h.prefix, a)
		return true
	})
	line.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, line.String())
	return err
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var text strings.Builder
	for _, a := range attrs {
		h.format(&text, h.prefix, a)
	}
	c := *h
	c.attrs += text.String()
	return &c
}

// WithGroup implements slog.Handler.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.prefix += name + "."
	}
	return &c
}

func (h *LogHandler) format(line *strings.Builder, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			h.format(line, prefix, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := value.String()
	if value.Kind() == slog.KindTime {
		text = value.Time().UTC().Format(time.DateTime)
	}
	line.WriteString(" " + oneWord(prefix+a.Key) + "=" + oneWord(text))
}

// oneWord quotes what could be taken for several words, or lines.
func oneWord(s string) string {
	if s != "" && printable(s) && !strings.ContainsAny(s, ` "`) {
		return s
	}
	return strconv.Quote(s)
}

// oneLine keeps a message from looking like several records.
func oneLine(s string) string {
	if printable(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// printable tells whether there is nothing in a text that a terminal could
// take for an order.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}
