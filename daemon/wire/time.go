package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Time is a time as upstream writes it: "2025-08-13 00:00:00", in UTC. The
// zero time is left out with omitzero.
type Time struct{ time.Time }

const timeLayout = "2006-01-02 15:04:05"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format(timeLayout))
}

// UnmarshalJSON implements json.Unmarshaler. It takes RFC 3339 as well.
func (t *Time) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("a time must be a string like %q, in UTC", timeLayout)
	}
	parsed, err := ParseTime(s)
	t.Time = parsed
	return err
}

// ParseTime reads a time in upstream's layout or in RFC 3339.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{timeLayout, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write it like %q, in UTC", s, timeLayout)
}
