package wire

import (
	"encoding/json"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	tests := []struct {
		name, in string
		want     time.Time // zero for an error
	}{
		{"upstream's layout", "2025-08-13 12:00:00", noon},
		{"RFC 3339", "2025-08-13T12:00:00Z", noon},
		{"RFC 3339 of another zone", "2025-08-13T14:00:00+02:00", noon},
		{"a fraction of a second", "2025-08-13 12:00:00.25", noon.Add(250 * time.Millisecond)},
		{"a day", "2025-08-13", time.Time{}},
		{"a day that is none", "2025-02-30 12:00:00", time.Time{}},
		{"seconds of Unix", "1755086400", time.Time{}},
		{"nothing", "", time.Time{}},
		{"words", "tomorrow", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTime(tt.in)
			if !got.Equal(tt.want) || (err != nil) != tt.want.IsZero() {
				t.Fatalf("got %v, %v, want %v", got, err, tt.want)
			}
			if err == nil && got.Location() != time.UTC {
				t.Fatalf("got a time in %v, want UTC", got.Location())
			}
		})
	}
}

func TestATimeGoesOutInUTC(t *testing.T) {
	text, err := json.Marshal(Time{noon.Add(999 * time.Millisecond).In(time.FixedZone("CEST", 7200))})
	if err != nil || string(text) != `"2025-08-13 12:00:00"` {
		t.Fatalf("got %s, %v", text, err)
	}
}

func TestATimeThatIsNotThereIsLeftOut(t *testing.T) {
	text, err := json.Marshal(Result{Result: Success})
	if err != nil || string(text) != `{"result":"success"}` {
		t.Fatalf("got %s, %v", text, err)
	}
}
