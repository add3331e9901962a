package coordinator

import (
	"slices"
	"testing"
	"time"
)

func TestSetupPauseDoublesUpToItsLimit(t *testing.T) {
	for _, tt := range []struct {
		first, limit int64
		want         []int64 // after 0, 1, 2, … failures before
	}{
		{30, 3600, []int64{30, 60, 120, 240, 480, 960, 1920, 3600, 3600}},
		{5, 5, []int64{5, 5}},
		{1 << 61, 1<<62 + 1, []int64{1 << 61, 1 << 62, 1<<62 + 1, 1<<62 + 1}}, // no overflow
	} {
		c, longest := new(Coordinator), time.Duration(tt.limit)
		c.Configure(Settings{Policy: Policy{SetupRetry: time.Duration(tt.first), MaxSetupRetry: longest}})
		var got []int64
		for before := range tt.want {
			got = append(got, int64(c.setupPause(before)))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("from %d to %d: got %v, want %v", tt.first, tt.limit, got, tt.want)
		}
		if pause := c.setupPause(1_000_000_000); pause != longest {
			t.Errorf("after a billion failures: got %v, want %v", pause, longest)
		}
	}
}
