package scheduler

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// graph is shaped like the derivations of a few hundred packages: 5,600
// builds that make 1.2 outputs and need 9 each, some of which nearly all
// need, with chains of up to 150. The ids of builds and outputs begin after the given numbers, inputs
// first.
func graph(build, output int64) []Build {
	const total = 5600
	random := rand.New(rand.NewPCG(1, 2))
	builds := make([]Build, 0, total)
	made := output // highest output of the builds so far
	tags := []daemon.Tag{{Key: "category", Value: "package"}, {Key: "revision", Value: fmt.Sprint(build)}}
	for i := range int64(total) {
		b := Build{ID: build + i + 1, System: "x86_64-linux", Priority: build % 3, Tags: tags}
		if i%4 == 0 {
			b.System = "aarch64-linux"
		}
		needs := min(i, 6+random.Int64N(16))
		if random.IntN(5) < 2 {
			needs = min(i, 3) // the source of something
		}
		for int64(len(b.Needs)) < needs {
			popular := math.Pow(random.Float64(), 4) // the build system
			need := output + 1 + int64(popular*float64(min(100, made-output)))
			if random.IntN(3) == 0 {
				need = max(output+1, made-int64(random.ExpFloat64()*300))
			}
			if !slices.ContainsFunc(b.Needs, func(n Need) bool { return n.Output == need }) {
				b.Needs = append(b.Needs, Need{Output: need})
			} else if made-output < 30 {
				break // there are hardly any others
			}
		}
		for range 1 + random.IntN(10)/8 {
			made++
			b.Makes = append(b.Makes, made)
		}
		builds = append(builds, b)
	}
	return builds
}

// shift makes another graph of the same shape.
func shift(to, from []Build, copies int64) {
	builds, outputs := copies*int64(len(from)), copies*2*int64(len(from))
	for i := range from {
		b := &to[i]
		makes, needs := b.Makes[:0], b.Needs[:0]
		*b = from[i]
		b.ID += builds
		for _, m := range from[i].Makes {
			makes = append(makes, m+outputs)
		}
		for _, n := range from[i].Needs {
			needs = append(needs, Need{Output: n.Output + outputs})
		}
		b.Makes, b.Needs = makes, needs
	}
}

const million = 1_000_000

// fill adds graphs until there are n builds, and returns how long the
// scheduler took.
func fill(s *Scheduler, n int) (took time.Duration) {
	shape := graph(0, 0)
	builds := make([]Build, len(shape))
	for copies := int64(0); s.Len() < n; copies++ {
		shift(builds, shape, copies)
		start := time.Now()
		for _, b := range builds[:min(len(builds), n-s.Len())] {
			s.Add(b)
		}
		took += time.Since(start)
	}
	return took
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkMillion is a start on a full queue.
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		before := heap()
		s := New()
		added := fill(s, million)
		start := time.Now()
		s.Priority(1)
		settled := time.Since(start)
		b.ReportMetric((heap()-before)/million, "B/build")
		b.ReportMetric(million/added.Seconds(), "adds/s")
		b.ReportMetric(million/(added+settled).Seconds(), "adds+settle/s")
		runtime.KeepAlive(s)
	}
}

// BenchmarkHandOut works off some of a million builds: 50 agents hold four
// builds each and get one at a time.
func BenchmarkHandOut(b *testing.B) {
	s := New()
	fill(s, million)
	s.Priority(1)
	agents := make([]Agent, 50)
	for i := range agents {
		agents[i] = Agent{ID: fmt.Sprint(i), Systems: []string{"x86_64-linux", "aarch64-linux"},
			Tags: []daemon.Tag{{Key: "size", Value: "big"}}}
	}
	held := make([][]int64, len(agents))
	var allocating, finishing []time.Duration
	for n := 0; b.Loop(); n++ {
		i := n % len(agents)
		start := time.Now()
		got := s.AllocateTo(agents[i], 1)
		allocating = append(allocating, time.Since(start))
		held[i] = append(held[i], got...)
		if len(held[i]) == 4 {
			start = time.Now()
			s.Finish(held[i][0], true)
			finishing = append(finishing, time.Since(start))
			held[i] = held[i][1:]
		}
	}
	report := func(times []time.Duration, name string) {
		if len(times) > 0 {
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds()), "p99-ns/"+name)
			b.ReportMetric(float64(times[len(times)-1].Nanoseconds()), "max-ns/"+name)
		}
	}
	report(allocating, "allocate")
	report(finishing, "finish")
}

// BenchmarkDrain works off a graph, and prints the time for each build.
func BenchmarkDrain(b *testing.B) {
	const n = 100_000
	agent := Agent{ID: "a", Systems: []string{"x86_64-linux", "aarch64-linux"}}
	for b.Loop() {
		b.StopTimer()
		s := New()
		fill(s, n)
		b.StartTimer()
		for s.Len() > 0 {
			for _, id := range s.AllocateTo(agent, 100) {
				s.Finish(id, true)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/build")
}

// BenchmarkSubmit adds a graph to a million builds, and asks for a build after
// each tenth, which is as often as small submissions come.
func BenchmarkSubmit(b *testing.B) {
	s := New()
	fill(s, million)
	s.Priority(1)
	shape := graph(0, 0)
	builds := make([]Build, len(shape))
	for n := int64(1000); b.Loop(); n++ {
		shift(builds, shape, n)
		for i, build := range builds {
			if s.Add(build); i%10 == 0 {
				s.Priority(1)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(shape)), "ns/build")
}

// BenchmarkCancel cancels a graph of a million builds, the top first, which
// makes all chains shorter again and again; and asks once in the end.
func BenchmarkCancel(b *testing.B) {
	s := New()
	fill(s, million)
	s.Priority(1)
	shape := graph(0, 0)
	builds := make([]Build, len(shape))
	for n := int64(1000); b.Loop(); n++ {
		b.StopTimer()
		shift(builds, shape, n)
		for _, build := range builds {
			s.Add(build)
		}
		s.Priority(1)
		b.StartTimer()
		for _, build := range slices.Backward(builds) {
			s.Cancel(build.ID)
		}
		s.Priority(1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(shape)), "ns/build")
}

// BenchmarkSetPriority makes a build at the top of a graph urgent and not so
// again: that touches all below it.
func BenchmarkSetPriority(b *testing.B) {
	s := New()
	fill(s, million)
	s.Priority(1)
	for n := int64(1); b.Loop(); n++ {
		s.SetPriority(5600, n%2*100)
		s.Priority(1)
	}
}

// BenchmarkChain adds a chain in which each build needs the one before.
func BenchmarkChain(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		s := New()
		for id := range int64(n) {
			s.Add(makes(id+1, id+1, id))
		}
		if _, chain := s.Priority(1); chain != n-1 {
			b.Fatal(chain)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/build")
}

// BenchmarkStates asks for the state of 10,000 builds, as a page of the list
// of builds does.
func BenchmarkStates(b *testing.B) {
	s := New()
	fill(s, 100_000)
	for b.Loop() {
		for id := int64(50_000); id < 60_000; id++ {
			s.State(id)
		}
	}
}

// hub is what everything in a graph needs.
const hub = 10 * million

func withHub() *Scheduler {
	s := New()
	shape := graph(0, 0)
	builds := make([]Build, len(shape))
	for copies := range int64(20) {
		shift(builds, shape, copies)
		for _, b := range builds {
			b.Needs = append(b.Needs, Need{Output: hub})
			s.Add(b)
		}
	}
	s.Add(makes(hub, hub))
	return s
}

// BenchmarkFail is the worst that one report can do: what 112,000 builds need
// fails, and is tried again.
func BenchmarkFail(b *testing.B) {
	s := withHub()
	for b.Loop() {
		s.Finish(hub, false)
		s.Add(makes(hub, hub))
		s.Priority(hub)
	}
}

// BenchmarkBlockedBy asks of 10,000 builds why they are blocked, as a page of
// the list of builds does, just after a change.
func BenchmarkBlockedBy(b *testing.B) {
	s := withHub()
	s.Finish(hub, false)
	for b.Loop() {
		s.Cancel(hub + 1)
		s.Add(makes(hub+1, hub+1))
		for id := int64(50_000); id < 60_000; id++ {
			if got := s.BlockedBy(id); len(got) != 1 {
				b.Fatal(got)
			}
		}
	}
}
