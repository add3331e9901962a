package main

import "testing"

func TestGarbageIsBounded(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 1 << 20: 100, 64 << 20: 100, 65 << 20: 75, 100 << 20: 50, 200 << 20: 25, 1 << 40: 25} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d MiB in use: got %d %%, want %d", live>>20, got, want)
		}
	}
}
