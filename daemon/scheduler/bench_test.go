package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// layers is a graph like that of a distribution: 100,000 builds in 100
// layers, each of which needs five outputs of layers below it, most of them
// of the last few.
func layers() []Build {
	const layer, total = 1000, 100_000
	random := rand.New(rand.NewPCG(1, 2))
	builds := make([]Build, 0, total)
	for i := int64(0); i < total; i++ {
		b := Build{ID: i + 1, System: "x86_64-linux", Priority: random.Int64N(3), Makes: []int64{i}}
		if i%4 == 0 {
			b.System = "aarch64-linux"
		}
		for below := i / layer * layer; below > 0 && len(b.Needs) < 5; {
			b.Needs = append(b.Needs, Need{Output: below - 1 - min(below-1, int64(random.ExpFloat64()*3*layer))})
		}
		builds = append(builds, b)
	}
	return builds
}

func BenchmarkAdd(b *testing.B) {
	builds := layers()
	b.ReportAllocs()
	for b.Loop() {
		with(builds...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(builds)), "ns/build")
}

// BenchmarkDrain allocates and finishes every build, by 50 agents that hold
// four builds each.
func BenchmarkDrain(b *testing.B) {
	builds := layers()
	systems := []string{"x86_64-linux", "aarch64-linux"}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := with(builds...)
		b.StartTimer()
		held := make([][]int64, 50)
		for s.Len() > 0 {
			for agent := range held {
				held[agent] = append(held[agent], s.Allocate(fmt.Sprint(agent), systems, 4-len(held[agent]))...)
				if len(held[agent]) > 0 {
					s.Finish(held[agent][0], true)
					held[agent] = held[agent][1:]
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(builds)), "ns/build")
}

// BenchmarkStates asks for the state of 10,000 builds, as a page of the list
// of builds does.
func BenchmarkStates(b *testing.B) {
	s := with(layers()...)
	for b.Loop() {
		for id := int64(50_000); id < 60_000; id++ {
			s.State(id)
		}
	}
}

// hub is what nearly everything in a graph of layers needs.
const hub = 1_000_000 // beyond the ids of layers

func withHub() *Scheduler {
	s := with(layers()...)
	s.Add(makes(hub, hub))
	for id := int64(1); id <= 1000; id++ {
		s.Add(makes(hub+id, id-1, hub))
		s.Cancel(id) // which made the same
	}
	return s
}

// BenchmarkFail is the worst that one report can do: what nearly everything
// needs fails, and is tried again.
func BenchmarkFail(b *testing.B) {
	s := withHub()
	for b.Loop() {
		s.Finish(hub, false)
		s.Add(makes(hub, hub))
	}
}

// BenchmarkBlockedBy asks of 10,000 builds why they are blocked, as a page of
// the list of builds does, just after a change.
func BenchmarkBlockedBy(b *testing.B) {
	s := withHub()
	s.Finish(hub, false)
	for b.Loop() {
		s.Cancel(100_000)
		s.Add(makes(100_000, 99_999))
		for id := int64(50_000); id < 60_000; id++ {
			if got := s.BlockedBy(id); len(got) != 1 {
				b.Fatal(got)
			}
		}
	}
}
