package scheduler

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestListsAreAsSlices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shared lists
		got, want := make([]list, 4), make([][]int32, 4)
		some := rapid.IntRange(0, len(got)-1)
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				x := some.Draw(t, "list")
				n := rapid.SampledFrom([]int{1, 1, 2, 5, 100, 3 * bigBlock}).Draw(t, "n")
				for v := range int32(n) {
					shared.push(&got[x], v)
					want[x] = append(want[x], v)
				}
			},
			"keep": func(t *rapid.T) {
				x := some.Draw(t, "list")
				some := rapid.Int32Range(1, 9).Draw(t, "divisor")
				keep := func(v int32) bool { return v%some == 0 }
				shared.keep(&got[x], keep)
				want[x] = slices.DeleteFunc(want[x], func(v int32) bool { return !keep(v) })
			},
			"drop": func(t *rapid.T) {
				x := some.Draw(t, "list")
				shared.drop(&got[x])
				want[x] = nil
			},
			"": func(t *rapid.T) {
				for x := range got {
					if !slices.Equal(shared.get(got[x]), want[x]) {
						t.Fatalf("list %d is %v, want %v", x, shared.get(got[x]), want[x])
					}
				}
			},
		})
	})
}

func TestSizesOfBlocks(t *testing.T) {
	indices := make(map[int]int32)
	for n := int32(1); n < 100_000; n++ {
		size := room(n)
		if size < n || size > n+n/2 || room(size) != size {
			t.Fatalf("a list of %d has a block of %d", n, size)
		}
		k := sizeIndex(size)
		if other := indices[k]; k >= len(lists{}.free) || other != 0 && other != size {
			t.Fatalf("blocks of %d and %d are in one list of free ones, %d", other, size, k)
		}
		indices[k] = size
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	s := New()
	shape := graph(0, 0)
	builds := make([]Build, len(shape))
	var pages int
	for n := range int64(6) {
		shift(builds, shape, n)
		for _, b := range builds {
			s.Add(b)
		}
		for _, b := range builds {
			s.Finish(b.ID, true)
		}
		checkEmpty(t, s)
		now := len(s.builds.pages) + len(s.outputs.pages) + len(s.lists.pages)
		if pages == 0 {
			pages = now
		}
		if now > pages+1 {
			t.Fatalf("after %d graphs: got %d pages, want %d as after the first", n, now, pages)
		}
	}
}
