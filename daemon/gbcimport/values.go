package gbcimport

import (
	"database/sql"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxTextSize is how many bytes of text people may have written.
const maxTextSize = 10_000

// number reads a row's number; zero for NULL, which no row has.
func number(v sql.NullString) int64 {
	n, _ := strconv.ParseInt(v.String, 10, 64)
	return n
}

// isText tells whether this can be shown to people.
func isText(s string) bool {
	return len(s) <= maxTextSize && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// moment reads a time in the spellings of SQLite; zero for what is none.
func moment(v sql.NullString) time.Time {
	for _, layout := range []string{time.DateTime, time.RFC3339} {
		if t, err := time.Parse(layout, v.String); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// momentOrNow reads a time that must not be missing.
func (m *importer) momentOrNow(v sql.NullString) time.Time {
	if t := moment(v); !t.IsZero() {
		return t
	}
	return m.now
}
