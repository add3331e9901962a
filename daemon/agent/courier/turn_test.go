package courier

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestTheNumberOfUploadsMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Courier // as if it had been told one
		entered := make(chan func(), 10)
		enter := func(ctx context.Context) {
			go func() {
				if leave, err := c.turn(ctx); err == nil {
					entered <- leave
				}
			}()
			synctest.Wait()
		}
		want := func(n int) {
			t.Helper()
			if synctest.Wait(); len(entered) != n {
				t.Fatalf("got %d uploads under way, want %d", len(entered), n)
			}
		}
		impatient, give := context.WithCancel(t.Context())
		enter(t.Context())
		enter(impatient)
		for range 3 {
			enter(t.Context())
		}
		want(1)
		give()
		want(1)
		c.Configure(3, "zstd")
		want(3)
		c.Configure(1, "zstd")
		for range 2 {
			(<-entered)()
		}
		want(1)
		(<-entered)()
		want(1) // the last one
		(<-entered)()
		want(0)
	})
}
