//go:debug default=go1.25

package patience_test

import (
	"testing"
	"testing/synctest"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/patience"
	"codeberg.org/tbfg/tbfg/daemon/patience/patiencetest"
)

func TestLargeAnswersMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for size, want := range map[int64]time.Duration{0: time.Minute, 4095: time.Minute, 4096: time.Minute + time.Second, 1 << 20: time.Minute + 256*time.Second} {
			w := patiencetest.NewAnswer()
			patience.Limit(w, size)
			if got := time.Until(w.Deadline); got != want {
				t.Errorf("%d bytes: got %v, want %v", size, got, want)
			}
		}
	})
}
