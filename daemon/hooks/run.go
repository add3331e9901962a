package hooks

import (
	"context"
	"maps"
	"slices"
	"time"
)

// After the whole outbox was read there is a pause of so many times what the
// reading took: however long the outbox, it takes little of the machine.
const rest = 10

// afterTrouble is how long to wait when the outbox cannot be read.
const afterTrouble = 5 * time.Second

// dispatcher is a runner that runs. All of it belongs to Run's goroutine,
// except where an item says otherwise.
type dispatcher struct {
	*Runner
	outbox  Outbox
	work    context.Context // of the hooks; ends after the grace time
	queues  map[string]*queue
	known   map[int64]*item // those in the queues; of two of one number, the newer
	results chan *item      // those that have ended
	running int

	fresh  bool      // there may be something after the anchor
	stale  bool      // there may be something anywhere
	rested time.Time // the whole is not read again before
	// anchor is an event that does not fit into memory; zero if all fit. Those
	// that come into the outbox have greater numbers for as long as it is
	// there, and it is there until the whole is read again.
	anchor int64
}

// Run tells hooks of events until ctx ends, and then waits until those that
// are being told have ended; after the grace time they are killed, and their
// events stay in the outbox. The outbox must be usable until Run returns.
func (r *Runner) Run(ctx context.Context, outbox Outbox) {
	work, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	d := &dispatcher{Runner: r, outbox: outbox, work: work, queues: make(map[string]*queue), known: make(map[int64]*item),
		results: make(chan *item, r.Parallel), stale: true}
	for name := range r.hooks {
		d.queue(name)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	news := outbox.HookNews()
	for ctx.Err() == nil {
		d.look(ctx)
		until := d.start()
		if d.stale {
			until = earlier(until, d.rested)
		}
		var due <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-due:
		case <-news:
			news = outbox.HookNews()
			d.fresh, d.stale = true, true
		case it := <-d.results:
			d.ended(it)
		}
	}
	d.drain(kill)
}

// drain waits for the hooks that are being told.
func (d *dispatcher) drain(kill func()) {
	grace := time.NewTimer(d.Grace)
	defer grace.Stop()
	for d.running > 0 {
		select {
		case it := <-d.results:
			d.ended(it)
		case <-grace.C:
			d.Log.Warn("hooks are killed because the program ends; they are told again", "running", d.running)
			kill()
		}
	}
}

// look reads what may be new in the outbox.
func (d *dispatcher) look(ctx context.Context) {
	began := time.Now()
	var err error
	switch {
	case d.stale && !began.Before(d.rested):
		d.anchor = 0
		for _, q := range d.queues {
			q.behind = false
		}
		d.fresh, d.stale = false, false
		err = d.read(ctx)
		now := time.Now()
		d.rested = now.Add(rest * now.Sub(began))
	case d.fresh && d.anchor != 0:
		d.fresh = false
		err = d.read(ctx)
	}
	if err != nil && ctx.Err() == nil {
		d.Log.Warn("cannot read the outbox of hooks; trying again", "err", err)
		d.stale, d.rested = true, time.Now().Add(afterTrouble)
	}
}

// read takes into memory what is in the outbox after the anchor and fits.
//
// A page begins after an event that stays where it is: were it done meanwhile,
// its number could be given to an event that would be missed, and one that
// follows that be read. Only those that are running can be done, and there are
// fewer of them than fit on a page.
func (d *dispatcher) read(ctx context.Context) error {
	size := max(d.page, d.Parallel+1)
	for after := d.anchor; !d.full(); {
		events, err := d.outbox.HookEvents(ctx, after, false, size)
		if err != nil {
			return err
		}
		for i := range events {
			e := &events[i]
			q := d.queue(e.Hook)
			it := d.known[e.ID]
			same := it != nil && it.is(e)
			if !same || !it.running {
				after = e.ID
			}
			switch {
			case same:
				it.seen = it.running
			case q.behind || q.size >= d.window:
				// Those that follow must not overtake this one, even if
				// there is room when they come.
				q.behind, d.anchor = true, e.ID
			default:
				it := newItem(e)
				d.known[it.id] = it
				q.add(it)
			}
		}
		if len(events) < size {
			break
		}
	}
	return nil
}

// full tells whether no queue takes more.
func (d *dispatcher) full() bool {
	for _, q := range d.queues {
		if !q.behind {
			return false
		}
	}
	return len(d.queues) > 0
}

func (d *dispatcher) queue(name string) *queue {
	q := d.queues[name]
	if q == nil {
		q = &queue{hook: d.hooks[name], lines: make(map[string][]*item)}
		if q.hook == nil {
			q.hook = unknown
		}
		d.queues[name] = q
	}
	return q
}

// start tells hooks for as long as there are places. It returns when one has
// to be told that waits; zero for never.
func (d *dispatcher) start() (later time.Time) {
	// One hook that hangs must not keep the others waiting.
	share := d.Parallel
	if len(d.queues) > 1 {
		share = max(1, share-1)
	}
	for d.running < d.Parallel {
		var best *item
		now := time.Now()
		later = time.Time{}
		for _, name := range slices.Sorted(maps.Keys(d.queues)) {
			q := d.queues[name]
			it, t := q.next(now)
			later = earlier(later, t)
			if it != nil && q.running < share && (best == nil || q.running < d.queues[best.hook].running) {
				best = it
			}
		}
		if best == nil {
			return later
		}
		q := d.queues[best.hook]
		best.running = true
		q.running++
		d.running++
		go func() {
			d.process(q.hook, best)
			d.results <- best
		}()
	}
	return time.Time{} // the next that ends makes room
}

// ended takes note that a hook is not being told any more.
func (d *dispatcher) ended(it *item) {
	q := d.queues[it.hook]
	it.running = false
	q.running--
	d.running--
	if it.over() {
		q.remove(it)
		if d.known[it.id] == it { // and not another event of that number
			delete(d.known, it.id)
		}
		// It may have been parked and at once taken up again.
		d.stale = d.stale || it.seen
	}
	if q.behind && q.size <= d.window/2 {
		d.stale = true
	}
}
