package memory

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbageIsBounded(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 1000, 1 << 20: 1000, 2 << 20: 700, 14 << 20: 100, 15 << 20: 75, 28 << 20: 50, 56 << 20: 25, 1 << 40: 25,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d MiB in use: got %d %%, want %d", live>>20, got, want)
		}
	}
}

// What is set follows what is in use, until it is not wanted any more.
func TestSaveFollowsWhatIsInUse(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	ctx, cancel := context.WithCancel(context.Background())
	Save(ctx)
	expect := func(want int) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for {
			runtime.GC()
			now := debug.SetGCPercent(want)
			debug.SetGCPercent(now)
			if now == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %d %%, want %d", now, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	expect(mostSpare)
	large := make([]byte, 300<<20)
	expect(leastSpare)
	runtime.KeepAlive(large)
	large = nil
	expect(mostSpare)
	cancel()
	expect(100)
}
