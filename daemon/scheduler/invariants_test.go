package scheduler

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"

	"codeberg.org/tbfg/tbfg/daemon"
)

type tester interface {
	Helper()
	Fatalf(string, ...any)
}

// checkInvariants recomputes whatever the scheduler keeps for speed.
func checkInvariants(t tester, s *Scheduler) {
	t.Helper()
	checkQueues(t, s)
	checkCounts(t, s)
	checkBuilds(t, s)
	checkOutputs(t, s)
	checkTags(t, s)
	checkValues(t, s)
	checkMemory(t, s)
	checkStandings(t, s)
}

func checkStandings(t tester, s *Scheduler) {
	t.Helper()
	want, oldest := make(map[string]map[daemon.State]int), make(map[string]int64)
	for name, in := range s.systemByID {
		for id, i := range s.buildByID.all() {
			b := s.builds.at(i)
			if b.system != in {
				continue
			}
			if b.counted != b.standing() {
				t.Fatalf("build %d is counted as %v, want %v", id, b.counted, b.standing())
			}
			if want[name] == nil {
				want[name] = make(map[daemon.State]int)
			}
			want[name][standings[b.counted]]++
			if first, there := oldest[name]; b.counted == ready && (!there || id < first) {
				oldest[name] = id
			}
		}
	}
	if got := s.Queue(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got the counts %v, want %v", got, want)
	}
	if got := s.OldestReady(); !maps.Equal(got, oldest) {
		t.Fatalf("got the oldest ready builds %v, want %v", got, oldest)
	}
}

func checkQueues(t tester, s *Scheduler) {
	t.Helper()
	queues := []int32{due}
	for in, sys := range s.systems {
		if len(sys.queues) != len(sys.ofClass) {
			t.Fatalf("a system has %d queues of %d classes", len(sys.queues), len(sys.ofClass))
		}
		for c, number := range sys.ofClass {
			if q := s.queues.at(number); q.class != c || int(q.system) != in || len(q.builds) == 0 {
				t.Fatalf("queue %d of %d builds is of another class or system, or empty", number, len(q.builds))
			}
		}
		queues = append(queues, sys.queues...)
	}
	standing := 0
	for _, number := range queues {
		q := s.queues.at(number)
		standing += len(q.builds)
		for at, i := range q.builds {
			b := s.builds.at(i)
			if b.queue != number || int(b.at) != at || b.gone {
				t.Fatalf("build %d stands in queue %d at %d and believes in %d at %d", b.id, number, at, b.queue, b.at)
			}
			if parent := q.builds[max(0, at-1)/2]; at > 0 && s.before(i, parent) {
				t.Fatalf("build %d stands behind build %d and is before it", b.id, s.builds.at(parent).id)
			}
		}
	}
	for _, i := range s.buildByID.all() {
		b := s.builds.at(i)
		want := int32(noQueue)
		if b.missing == 0 && !b.held {
			if want = due; !b.deferred {
				want = s.systems[b.system].ofClass[s.tags.class(b.tags)]
			}
		}
		if b.queue != want {
			t.Fatalf("build %d stands in queue %d, want %d", b.id, b.queue, want)
		}
		if want != noQueue {
			standing--
		}
	}
	if standing != 0 {
		t.Fatalf("%d more builds stand in queues than should", standing)
	}
}

func checkCounts(t tester, s *Scheduler) {
	t.Helper()
	want := map[daemon.State]int{daemon.Allocated: 0, daemon.Blocked: 0, daemon.Ready: 0, daemon.Deferred: 0, daemon.Waiting: 0}
	for id := range s.buildByID.all() {
		state, _ := s.State(id)
		want[state]++
	}
	if got := s.Counts(); !maps.Equal(got, want) {
		t.Fatalf("counts %v, want %v", got, want)
	}
}

func checkBuilds(t tester, s *Scheduler) {
	t.Helper()
	deferred := 0
	for id, i := range s.buildByID.all() {
		b := s.builds.at(i)
		if b.id != id || b.gone || b.named != 0 {
			t.Fatalf("build %d is kept as %d, gone: %v", b.id, id, b.gone)
		}
		var missing, blocked int32
		for _, at := range s.lists.get(b.needs) {
			o := s.outputs.at(at)
			if s.numberOf(o.id) != at || !slices.Contains(s.lists.get(o.waiters), i) {
				t.Fatalf("output %d does not know that build %d waits for it", o.id, id)
			}
			missing += count(!o.there())
			blocked += count(o.hopeless())
		}
		for _, at := range s.lists.get(b.makes) {
			o := s.outputs.at(at)
			if s.numberOf(o.id) != at || !slices.Contains(s.lists.get(o.makers), i) {
				t.Fatalf("output %d does not know that build %d makes it", o.id, id)
			}
		}
		if b.missing != missing || b.blocked != blocked {
			t.Fatalf("build %d misses %d outputs, %d of them for ever, want %d and %d", id, b.missing, b.blocked, missing, blocked)
		}
		deferred += int(count(b.deferred))
		if b.deferred == s.notBefore[i].IsZero() {
			t.Fatalf("build %d is deferred: %v, until %v", id, b.deferred, s.notBefore[i])
		}
	}
	if deferred != len(s.notBefore) {
		t.Fatalf("got times of %d deferred builds, want %d", len(s.notBefore), deferred)
	}
}

func checkOutputs(t tester, s *Scheduler) {
	t.Helper()
	named := make(map[int32]int32) // gone builds
	for id, at := range s.outputByID.all() {
		o := s.outputs.at(at)
		var live, hopeful int32
		for _, i := range s.lists.get(o.waiters) {
			b := s.builds.at(i)
			if live += count(!b.gone); b.gone {
				named[i]++
			} else if !slices.Contains(s.lists.get(b.needs), at) {
				t.Fatalf("output %d has the waiter %d, which does not need it", id, b.id)
			}
		}
		for _, i := range s.lists.get(o.makers) {
			b := s.builds.at(i)
			hopeful += count(b.blocked == 0)
			if b.gone || !slices.Contains(s.lists.get(b.makes), at) {
				t.Fatalf("output %d has the maker %d, which does not make it", id, b.id)
			}
		}
		switch {
		case o.id != id:
			t.Fatalf("output %d is kept as %d", o.id, id)
		case o.live != live:
			t.Fatalf("output %d counts %d waiters, want %d", id, o.live, live)
		case o.hopeful != hopeful:
			t.Fatalf("output %d has %d makers that are not blocked, want %d", id, o.hopeful, hopeful)
		case live+o.makers.n == 0:
			t.Fatalf("output %d is kept for nobody", id)
		case o.waiters.n > 2*live:
			t.Fatalf("output %d has %d waiters, of which only %d are not gone", id, o.waiters.n, live)
		case o.built && !o.lost && o.failed != 0:
			t.Fatalf("output %d was built, and failed in build %d", id, o.failed)
		}
	}
	for i, want := range named {
		if b := s.builds.at(i); b.named != want {
			t.Fatalf("build %d is gone and counts %d lists that name it, want %d", b.id, b.named, want)
		}
	}
	if got, want := int(s.builds.used)-len(s.builds.free), s.buildByID.n+len(named); got != want {
		t.Fatalf("got memory for %d builds, want %d", got, want)
	}
	if got, want := int(s.outputs.used)-len(s.outputs.free), s.outputByID.n; got != want {
		t.Fatalf("got memory for %d outputs, want %d", got, want)
	}
}

func checkTags(t tester, s *Scheduler) {
	t.Helper()
	users := map[int32]int{0: 1} // the empty set is always there
	for _, i := range s.buildByID.all() {
		if b := s.builds.at(i); b.tags != 0 {
			users[b.tags]++
		}
	}
	sets := make(map[*class]int)
	for number, want := range users {
		set := s.tags.sets.at(number)
		if set.builds != want || s.tags.byText[set.text] != number || set.text != textOf(set.tags) {
			t.Fatalf("the tags %v are counted for %d builds, want %d", set.tags, set.builds, want)
		}
		sets[set.class]++
		for _, tag := range set.tags {
			if slices.Contains(set.class.tags, tag) != slices.Contains(s.tags.relevant, tag.Key) {
				t.Fatalf("the tags %v are in the class %v, with the keys %v relevant", set.tags, set.class.tags, s.tags.relevant)
			}
		}
	}
	for c, want := range sets {
		if c.sets != want || s.tags.classes[textOf(c.tags)] != c {
			t.Fatalf("the class %v is counted for %d sets of tags, want %d", c.tags, c.sets, want)
		}
	}
	if len(s.tags.byText) != len(users) || len(s.tags.classes) != len(sets) {
		t.Fatalf("got %d sets of tags in %d classes, want %d in %d", len(s.tags.byText), len(s.tags.classes), len(users), len(sets))
	}
}

// checkValues checks that what settle has brought up to date is right among
// itself.
func checkValues(t tester, s *Scheduler) {
	t.Helper()
	if len(s.work)+len(s.frames)+len(s.doubts)+len(s.steps) != 0 {
		t.Fatalf("work is left over")
	}
	circling := 0
	for _, i := range s.buildByID.all() {
		circling += int(count(s.builds.at(i).chain == endless))
	}
	if s.endless != circling {
		t.Fatalf("%d chains are endless, want %d", s.endless, circling)
	}
	for id, i := range s.buildByID.all() {
		b := s.builds.at(i)
		if b.queued || b.doubted || b.link != linked && b.link != fresh {
			t.Fatalf("build %d is still worked on", id)
		}
		if b.dirty && !slices.Contains(s.dirty, i) || b.link == fresh && !slices.Contains(s.fresh, i) {
			t.Fatalf("nobody will look after the priority of build %d", id)
		}
		if b.dirty || b.link == fresh {
			continue
		}
		derived, chain := s.values(b, math.MaxInt64, endless)
		if derived != b.derived || chain != b.chain {
			t.Fatalf("build %d has derived priority %d and chain %d, want %d and %d", id, b.derived, b.chain, derived, chain)
		}
	}
}

// checkMemory checks that every number of the shared memory belongs to one
// list, or to one free block, or was not used yet.
func checkMemory(t tester, s *Scheduler) {
	t.Helper()
	l, used := &s.lists, 0
	count := func(x list) {
		if x.n > 0 {
			used += int(room(x.n))
		}
	}
	for _, i := range s.buildByID.all() {
		count(s.builds.at(i).needs)
		count(s.builds.at(i).makes)
	}
	for _, at := range s.outputByID.all() {
		count(s.outputs.at(at).makers)
		count(s.outputs.at(at).waiters)
	}
	for size := int32(1); size < bigBlock; size = room(size + 1) {
		for block := l.free[sizeIndex(size)]; block != 0; block = uint32(l.block(block, 1)[0]) {
			used += int(size)
		}
	}
	total := 0
	for number, page := range l.pages {
		if total += len(page); number == int(l.page) {
			total -= len(page) - l.cut
		}
	}
	if len(l.pages) > 0 {
		total-- // number zero of page zero
	}
	if used > total || total-used > len(l.pages)*bigBlock {
		t.Fatalf("%d numbers are in lists or free, want %d", used, total)
	}
}

func TestNothingIsKeptWhenAllIsDone(t *testing.T) {
	s := with(makes(1, 100), makes(2, 200, 100), makes(3, 300, 100, 200), makes(4, 100, 300))
	for _, id := range []int64{2, 1, 4, 3} {
		s.Finish(id, id%2 == 0)
		checkInvariants(t, s)
	}
	checkEmpty(t, s)
}

func checkEmpty(t tester, s *Scheduler) {
	t.Helper()
	checkInvariants(t, s)
	builds, outputs := int(s.builds.used)-len(s.builds.free), int(s.outputs.used)-len(s.outputs.free)
	if s.buildByID.n+s.outputByID.n+builds+outputs+len(s.notBefore) != 0 {
		t.Fatalf("in the end %d builds and %d outputs are left", builds, outputs)
	}
}

// numberOf is an output's number, or none.
func (s *Scheduler) numberOf(output int64) int32 {
	if i, known := s.outputByID.get(output); known {
		return i
	}
	return -1
}
