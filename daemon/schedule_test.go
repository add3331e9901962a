package daemon

import (
	"testing"
	"time"
)

func TestSchedules(t *testing.T) {
	wednesday := time.Date(2025, 8, 13, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ text, want string }{
		{"", "0001-01-01 00:00"},
		{"6h", "2025-08-13 18:00"},
		{"1m", "2025-08-13 12:01"},
		{"12:00", "2025-08-14 12:00"},
		{"12:01", "2025-08-13 12:01"},
		{"04:30", "2025-08-14 04:30"},
		{"wed 11:00", "2025-08-20 11:00"},
		{"Mon,thu 04:30", "2025-08-14 04:30"},
		{"tue 04:30", "2025-08-19 04:30"},
	} {
		s, err := ParseSchedule(tt.text)
		if err != nil {
			t.Errorf("%q: got the error %v, want none", tt.text, err)
			continue
		}
		if got := s.Next(wednesday).Format("2006-01-02 15:04"); got != tt.want {
			t.Errorf("%q: got %s after Wednesday noon, want %s", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"59s", "-6h", "0s", "daily", "24:00", "noday 04:30", "mon", "mon, 04:30", "mon 04:30 05:30"} {
		if s, err := ParseSchedule(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, s)
		}
	}
}
