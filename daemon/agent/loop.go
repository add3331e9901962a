package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agentapi"
)

// state is what the loop knows; only its goroutine touches it, but for
// running.
type state struct {
	*Agent
	held     map[string]context.CancelCauseFunc // builds from their allocation until they are out of our hands; nil until they begin
	dropped  map[string]bool                    // held ones that the coordinator took from us, which are about to end
	queue    []daemon.Allocation                // held, not begun
	running  atomic.Int64                       // builds that occupy a slot
	fetching bool                               // a question for builds is open
	asked    wish                               // what it asks for
	giveUp   context.CancelFunc                 // ends it
	news     chan struct{}                      // the status has changed
	past     map[string]bool                    // builds that went out of our hands meanwhile
	waits    bool                               // the coordinator holds answers back until there is news
	unsure   bool                               // whether what was past is ours once more
	greeted  bool                               // the first answer of the coordinator was logged
	busy     bool                               // the load was too high when last looked at
	answered int                                // builds in an answer that the log has not told of; negative if there is none
}

func newState(a *Agent) *state {
	return &state{Agent: a, held: make(map[string]context.CancelCauseFunc), dropped: make(map[string]bool), past: make(map[string]bool), answered: -1,
		news: make(chan struct{}, 1)}
}

// loop fetches and begins builds until ctx ends.
func (s *state) loop(ctx context.Context) error {
	tick := time.NewTicker(loadInterval)
	defer tick.Stop()
	for {
		s.beat.Store(time.Now().UnixNano())
		if s.lookForRoom() {
			select {
			case s.news <- struct{}{}:
			default: // it is known to have changed
			}
		}
		running := s.running.Load()
		s.tell(running, s.begin())
		s.prepare()
		s.fetch(ctx)
		select {
		case e := <-s.events:
			s.handle(e)
		case <-tick.C:
		case <-s.reconfigured:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *state) handle(e event) {
	switch e.kind {
	case fetched:
		s.fetching = false
		if e.answer != nil {
			s.waits = e.answer.Waits
			s.drop(e.answer.Gone)
			s.accept(e.answer.Builds)
		}
	case built:
		s.running.Add(-1)
	case done:
		s.ahead.drop(e.build) // what was set up and not needed
		delete(s.held, e.build)
		delete(s.dropped, e.build)
		s.phases.remove(e.build)
		s.past[e.build] = true
	}
}

// accept queues the builds that are new among those allocated to us. An
// answer may be older than a result that we delivered since the question: to
// build that once more would begin with deleting what others need by now.
func (s *state) accept(builds []daemon.Allocation) {
	before := len(s.queue)
	if !s.greeted {
		s.forgetUnfinished(builds)
	}
	for _, b := range builds {
		switch {
		case s.past[b.UUID]:
			s.unsure = true
		case !s.holds(b.UUID):
			s.held[b.UUID] = nil
			s.queue = append(s.queue, b)
			s.phases.set(b, Waiting)
		}
	}
	if !s.greeted || len(s.queue) > before {
		s.answered = len(builds)
	}
	s.greeted = true
}

// tell logs what came of an answer.
func (s *state) tell(running int64, started int) {
	if s.answered < 0 {
		return
	}
	s.Log.Info(fmt.Sprintf("running %d threads, currently allocated %d builds", running, s.answered))
	s.Log.Info(fmt.Sprintf("starting %d new builds", started))
	s.answered = -1
}

func (s *state) holds(build string) bool {
	_, held := s.held[build]
	return held
}

// errGone is why a build is stopped that was canceled or given to another.
var errGone = errors.New("the coordinator has taken it from this agent")

// drop forgets builds that are not ours any more and stops those that have
// begun. One whose result is on its way goes on its way.
func (s *state) drop(gone []string) {
	for _, build := range gone {
		cancel, held := s.held[build]
		switch {
		case !held:
		case cancel != nil:
			cancel(errGone)
			s.dropped[build] = true
		default:
			delete(s.held, build)
			s.phases.remove(build)
			s.ahead.drop(build)
			s.queue = slices.DeleteFunc(s.queue, func(b daemon.Allocation) bool { return b.UUID == build })
		}
	}
}

// begin starts queued builds in free slots, unless the machine is busy or
// full, and tells how many.
func (s *state) begin() (started int) {
	for ; len(s.queue) > 0 && s.running.Load() < int64(s.current.Load().MaxParallelBuilds) && !s.full.Load() && !s.tooBusy(); started++ {
		b := s.queue[0]
		s.queue = s.queue[1:]
		s.running.Add(1)
		ctx, cancel := context.WithCancelCause(s.work)
		s.held[b.UUID] = cancel
		s.builds.Go(func() {
			defer cancel(nil)
			s.process(ctx, b)
			s.events <- event{kind: done, build: b.UUID}
		})
	}
	return started
}

// prepare sets up the builds that are next: as many as can run.
func (s *state) prepare() {
	if s.full.Load() {
		return
	}
	for _, b := range s.queue[:min(len(s.queue), s.current.Load().MaxParallelBuilds)] {
		s.setUpEarly(s.work, b)
	}
}

// tooBusy tells whether the load is above the limit.
func (s *state) tooBusy() bool {
	load, err := loadAverage()
	limit := s.current.Load().MaxLoad
	busy := err == nil && load > limit
	if busy && !s.busy {
		s.Log.Info(fmt.Sprintf("waiting with new builds: the load average is %.2f, the limit %.2f", load, limit))
	}
	s.busy = busy
	return busy
}

// A wish is what the agent asks a coordinator for.
type wish struct {
	systems []string
	target  int // builds to hold in all
}

func (s *state) wish() wish {
	set := s.current.Load()
	systems := s.foreign.without(set.Systems)
	if len(systems) == 0 || s.full.Load() {
		return wish{set.Systems, 0} // only to hear what is gone
	}
	return wish{systems, set.MaxAllocatedBuilds}
}

// fetch asks for builds if no question is open and there is room for more. A
// coordinator that waits is asked in any case, because its answer tells what is
// not ours any more.
func (s *state) fetch(ctx context.Context) {
	want := s.wish()
	if s.fetching {
		if want.target != s.asked.target || !slices.Equal(want.systems, s.asked.systems) {
			s.giveUp()
			s.unsure = true // it may have been answered
		}
		return
	}
	if len(s.held) >= want.target && !s.waits && s.greeted {
		return
	}
	s.fetching, s.asked = true, want
	wait := fetchWait
	if !s.greeted || s.unsure {
		wait = 0 // hear at once what is allocated to us
	}
	s.unsure = false
	clear(s.past)
	var held []string
	for build := range s.held {
		if !s.dropped[build] {
			held = append(held, build)
		}
	}
	ctx, giveUp := context.WithCancel(ctx)
	s.giveUp = giveUp
	s.builds.Go(func() {
		defer giveUp()
		asked, patience := time.Now(), wait
		var answer agentapi.Fetched
		err := s.insist(ctx, "fetch builds", func(ctx context.Context) (err error) {
			answer, err = s.api.FetchBuilds(ctx, want.systems, want.target, patience, held...)
			// Should the answer be lost, what it gave us is nothing new to
			// the coordinator, which must not wait for more.
			patience = 0
			return err
		})
		e := event{kind: fetched, answer: &answer}
		if err != nil {
			e.answer = nil
		}
		refused := err != nil && ctx.Err() == nil
		if refused {
			s.Log.Warn("the coordinator refuses to give builds", "err", err)
		}
		if refused || wait > 0 && len(answer.Builds) == 0 && !answer.Waits && time.Since(asked) < wait/2 {
			sleep(ctx, pollPause) // a coordinator that does not wait for us
		}
		s.events <- e
	})
}

// reportStatus tells the coordinator from time to time how we are.
func (s *state) reportStatus(ctx context.Context) {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.news:
		case <-ctx.Done():
			return
		}
		err := s.api.ReportStatus(ctx, s.status(int(s.running.Load())), false)
		if err == nil {
			s.contact.Store(time.Now().UnixNano())
		} else if ctx.Err() == nil {
			s.Log.Debug("cannot report the status", "err", err)
		}
	}
}

// handBack returns what is allocated to us and has not begun, also what the
// coordinator gave us in an answer that we did not wait for. The question for
// no more builds ends the one before, should the coordinator still believe it
// open: else it might answer that with what we return.
func (s *state) handBack() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	answer, err := s.api.FetchBuilds(ctx, s.current.Load().Systems, 0, 0)
	if err != nil {
		s.Log.Info("builds that have not begun stay allocated to this agent", "err", err)
		return
	}
	for _, b := range s.queue {
		delete(s.held, b.UUID)
		s.phases.remove(b.UUID)
	}
	for _, b := range answer.Builds {
		if !s.holds(b.UUID) {
			s.release(b.UUID)
		}
	}
}

// releaseTimeout bounds each thing that an agent which stops has to say.
const releaseTimeout = 5 * time.Second

// release gives a build back to the coordinator, if that can be done
// quickly; otherwise it stays ours and is resumed at the next start.
func (a *Agent) release(build string) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := a.api.ReleaseBuild(ctx, build); err != nil {
		a.Log.Info("build "+build+" stays allocated to this agent", "err", err)
		return
	}
	a.Log.Info("build " + build + " handed back")
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
