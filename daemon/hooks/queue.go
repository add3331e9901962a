package hooks

import (
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// queue is the part of one hook's events that is in memory: the oldest ones
// of the outbox, up to a limit.
type queue struct {
	*hook
	lines   map[string][]*item // by subject, in the order of telling; none is empty
	size    int                // of all lines
	running int
	behind  bool // the outbox has events that did not fit
}

// item is an event in memory. What is in the second block belongs to the
// goroutine that tells the hook while there is one; all else to the dispatcher.
type item struct {
	id                   int64
	hook, event, subject string
	created              time.Time
	running              bool
	seen                 bool // in the outbox, while it was running

	again    time.Time // not before; zero for now
	troubles int       // failures in a row that the outbox does not know of
	told     bool      // only the outbox does not know yet
}

func newItem(e *daemon.HookEvent) *item {
	it := &item{id: e.ID, hook: e.Hook, event: e.Event, subject: e.Subject, created: e.Created, again: e.NotBefore}
	// A clock that was wrong once must not delay the hook for years.
	if latest := time.Now().Add(lastPause); it.again.After(latest) {
		it.again = latest
	}
	return it
}

// is tells whether this is the event e. The number is not enough: the
// database uses those of deleted rows again.
func (it *item) is(e *daemon.HookEvent) bool {
	return it.id == e.ID && it.hook == e.Hook && it.event == e.Event && it.subject == e.Subject && it.created.Equal(e.Created)
}

func (q *queue) add(it *item) {
	q.lines[it.subject] = append(q.lines[it.subject], it)
	q.size++
}

// remove takes the first of a line away.
func (q *queue) remove(it *item) {
	q.size--
	if line := q.lines[it.subject]; len(line) > 1 {
		line[0] = nil
		q.lines[it.subject] = line[1:]
	} else {
		delete(q.lines, it.subject)
	}
}

// next is the oldest event that the hook can be told now; or nil, and when to
// ask again (zero for never).
func (q *queue) next(now time.Time) (first *item, later time.Time) {
	for _, line := range q.lines {
		it := line[0]
		switch {
		case it.running:
		case it.again.After(now):
			later = earlier(later, it.again)
		case first == nil || it.id < first.id:
			first = it
		}
	}
	return first, later
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
