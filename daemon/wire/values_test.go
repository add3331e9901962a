package wire

import (
	"strings"
	"testing"
)

func TestFewValues(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{``, true},
		{`{"systems": ["x", "y"]}`, true},
		{`{"name": "` + strings.Repeat(`,[{\"`, maxValues) + `"}`, true}, // in a string
		{`{"name": [` + strings.Repeat(`[],`, maxValues/2-2) + `1]}`, true},
		{`{"name": [` + strings.Repeat(`[],`, maxValues/2) + `1]}`, false},
		{`{"name": [` + strings.Repeat(`1,`, maxValues) + `1]}`, false},
		{strings.Repeat(`[`, maxValues+1), false},
	} {
		if got := fewValues([]byte(tt.text)); got != tt.want {
			t.Errorf("%.30q…: got %v, want %v", tt.text, got, tt.want)
		}
	}
}
