package agent

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

func TestAnAgentHearsAtOnceWhatItHolds(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1), build(2)}
	var log record
	f.run(f.newAgent(&log, nil))
	f.wait("a second question", func() bool { return len(f.fetches) == 2 })
	first, second := f.fetches[0], f.fetches[1]
	if first.Wait != 0 || *first.Target != 3 || !slices.Equal(first.Systems, []string{"x86_64-linux"}) {
		t.Errorf("first question: got %+v, want one for 3 builds that does not wait", first)
	}
	// It holds two of three, so it asks for more, and now it has time.
	if second.Wait != fetchWait.Seconds() {
		t.Errorf("second question: got a wait of %v s, want %v", second.Wait, fetchWait)
	}
	for _, line := range []string{"running 0 threads, currently allocated 2 builds", "starting 1 new builds"} {
		if !log.has(line) {
			t.Errorf("got the log\n%s\nwant %q in it", &log.buf, line)
		}
	}
}

func TestAnAgentThatHoldsEnoughDoesNotAsk(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1), build(2), build(3)}
	a := f.newAgent(t.Output(), nil)
	stop := f.run(a)
	f.wait("the builds are known", func() bool { return len(f.fetches) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// The last one is that of an agent which stops.
	if len(f.fetches) != 2 || *f.fetches[1].Target != 0 {
		t.Errorf("got questions %+v, want one and then one for nothing", f.fetches)
	}
}

func TestAnAgentDoesNotWaitForWhatALostAnswerGaveIt(t *testing.T) {
	f := newFake(t)
	questions := 0
	f.answer[fetchPath] = func(w http.ResponseWriter, r *http.Request) {
		var n int
		f.set(func() {
			questions++
			n = questions
		})
		switch n {
		case 2:
			f.set(func() { f.allocated = []string{build(1)} })
			lose(w, r)
		case 3:
			lose(w, r)
		default:
			f.give(w, r)
		}
	}
	f.run(f.newAgent(t.Output(), nil))
	f.wait("the build is known and the agent asks for more", func() bool { return len(f.fetches) == 5 })
	for i, want := range []time.Duration{0, fetchWait, 0, 0, fetchWait} {
		if got := f.fetches[i].Wait; got != want.Seconds() {
			t.Errorf("question %d: got a wait of %v s, want %v", i+1, got, want)
		}
	}
}

func TestAnAnswerOlderThanAResultDoesNotBringTheBuildBack(t *testing.T) {
	f := newFake(t)
	a := f.newAgent(t.Output(), nil)
	s := newState(a)
	s.greeted = true
	answer := func(builds ...int) {
		list := []daemon.Allocation{}
		for _, n := range builds {
			list = append(list, daemon.Allocation{UUID: build(n)})
		}
		s.handle(event{kind: fetched, answer: &agentapi.Fetched{Builds: list}})
	}
	queue := func() (list []string) {
		for _, b := range s.queue {
			list = append(list, b.UUID)
		}
		return list
	}
	// ask opens a question. What the fake answers is dropped.
	f.answer[fetchPath] = func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"builds":[{"uuid":"`+build(9)+`","derivation_name":"/gnu/store/zfkm1xzp9frcgw4gvbhqsqm30acvq0b1-x.drv"}]}`)
	}
	ask := func() {
		s.fetch(t.Context())
		go func() { <-a.events }()
		a.builds.Wait()
	}

	ask()
	answer(1)
	s.queue = nil // it has begun
	ask()
	s.handle(event{kind: done, build: build(1)})
	answer(1, 2)
	if got, want := queue(), []string{build(2)}; !slices.Equal(got, want) {
		t.Errorf("got the queue %q, want %q: the other is over", got, want)
	}
	// Whether it was given to us anew is asked at once.
	ask()
	if got := f.fetches[len(f.fetches)-1].Wait; got != 0 {
		t.Errorf("got a wait of %v s, want none", got)
	}
	answer(1, 2)
	if got, want := queue(), []string{build(2), build(1)}; !slices.Equal(got, want) {
		t.Errorf("got the queue %q, want %q: it is ours again", got, want)
	}
}

func TestARefusedAgentEnds(t *testing.T) {
	f := newFake(t)
	err := f.newAgent(t.Output(), func(c *Config) { c.Password = "wrong" }).Run(t.Context())
	var refusal *wire.StatusError
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden || !strings.Contains(err.Error(), f.url) || !strings.Contains(err.Error(), agentID) {
		t.Errorf("got %v, want a refusal that says who refuses whom", err)
	}
}

func TestAnAgentThatIsRefusedLaterSaysSoAndStays(t *testing.T) {
	f := newFake(t)
	f.answer[fetchPath] = func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusForbidden, wire.AccessDenied) }
	var log record
	stop := f.run(f.newAgent(&log, nil))
	f.wait("it says that builds are refused", func() bool { return log.has("refuses to give builds") })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAnAgentThatStopsReturnsWhatItHasNotBegun(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1), build(2)}
	var log record
	stop := f.run(f.newAgent(&log, func(c *Config) { c.Settings.Grace = time.Millisecond }))
	f.wait("it has asked for more", func() bool { return len(f.fetches) == 2 })
	// An answer that it will never see.
	f.set(func() { f.allocated = append(f.allocated, build(3)) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if last := f.fetches[len(f.fetches)-1]; last.Target == nil || *last.Target != 0 || last.Wait != 0 {
		t.Errorf("got the last question %+v, want one for nothing", last)
	}
	if want := []string{build(2), build(3), build(1)}; !slices.Equal(f.released, want) {
		t.Errorf("got %q back, want %q: what has not begun, then what has", f.released, want)
	}
}

func TestAnAgentThatStopsDoesNotWaitForADeadCoordinator(t *testing.T) {
	f := newFake(t)
	f.allocated = []string{build(1), build(2)}
	var log record
	stop := f.run(f.newAgent(&log, nil))
	f.wait("it has asked for more", func() bool { return len(f.fetches) == 2 })
	f.set(func() {
		f.answer[fetchPath] = lose
		f.answer["POST /build/"+build(1)+"/release"] = lose
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !log.has("stay allocated") {
		t.Errorf("got the log\n%s\nwant it to say what stays allocated", &log.buf)
	}
}

func TestABuildThatIsGoneIsStopped(t *testing.T) {
	f := newFake(t)
	s := newState(f.newAgent(t.Output(), nil))
	stopped := map[int]error{}
	hold := func(n int) { s.held[build(n)] = func(cause error) { stopped[n] = cause } }
	hold(1)
	hold(2)
	s.handle(event{kind: fetched, answer: &agentapi.Fetched{Waits: true,
		Builds: []daemon.Allocation{{UUID: build(2)}, {UUID: build(3)}, {UUID: build(4)}}}})
	s.handle(event{kind: fetched, answer: &agentapi.Fetched{Waits: true, Gone: []string{build(1), build(3), build(9)},
		Builds: []daemon.Allocation{{UUID: build(2)}, {UUID: build(4)}}}})
	if len(stopped) != 1 || stopped[1] != errGone {
		t.Errorf("got stopped %v, want only the one that has begun and is gone", stopped)
	}
	if s.holds(build(3)) || len(s.queue) != 1 || s.queue[0].UUID != build(4) {
		t.Errorf("got the queue %v, want only what is ours", s.queue)
	}
	if !s.dropped[build(1)] {
		t.Error("it would be asked about again and again until it ends")
	}
	s.handle(event{kind: done, build: build(1)})
	if s.dropped[build(1)] || s.holds(build(1)) {
		t.Error("it is remembered after its end")
	}
}
