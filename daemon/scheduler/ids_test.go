package scheduler

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestIDsAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x ids
		want := make(map[int64]int32)
		id := rapid.OneOf(rapid.Int64Range(-70, 200), rapid.Int64())
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				id, number := id.Draw(t, "id"), rapid.Int32Range(0, math.MaxInt32).Draw(t, "number")
				if _, known := want[id]; !known {
					x.set(id, number)
					want[id] = number
				}
			},
			"drop": func(t *rapid.T) {
				if len(want) > 0 {
					id := rapid.SampledFrom(slices.Sorted(maps.Keys(want))).Draw(t, "known id")
					x.drop(id)
					delete(want, id)
				}
			},
			"": func(t *rapid.T) {
				any := id.Draw(t, "any id")
				number, known := x.get(any)
				if n, k := want[any]; n != number || k != known {
					t.Fatalf("%d: got %d, %v, want %d, %v", any, number, known, n, k)
				}
				if got := maps.Collect(x.all()); !maps.Equal(got, want) || x.n != len(want) {
					t.Fatalf("got %v, %d in all, want %v", got, x.n, want)
				}
			},
		})
		for id := range want {
			x.drop(id)
		}
		if len(x.pages) > 0 {
			t.Fatalf("%d pages are kept for nothing", len(x.pages))
		}
	})
}
