// In GOPATH mode test programs have the defaults of an old Go, whose channels
// of timers confuse synctest.
//
//go:debug default=go1.25

package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// box is an outbox in memory, which gives out numbers as SQLite does.
type box struct {
	mu     sync.Mutex // guards what follows
	rows   []daemon.HookEvent
	news   chan struct{}
	slow   time.Duration                         // what each call takes; not guarded
	reads  int                                   // rows that were read
	parked []daemon.HookEvent                    // as they were parked, in order
	fail   func(op string) (before, after error) // of each call; nil for never
}

func newBox() *box { return &box{news: make(chan struct{})} }

var errBox = errors.New("the disk is full")

func (b *box) HookNews() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

func (b *box) wake() {
	close(b.news)
	b.news = make(chan struct{})
}

func (b *box) faults(op string) (before, after error) {
	if b.fail == nil {
		return nil, nil
	}
	return b.fail(op)
}

func (b *box) HookEvents(_ context.Context, after int64, parked bool, limit int) (events []daemon.HookEvent, err error) {
	defer time.Sleep(b.slow)
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, _ := b.faults("events"); before != nil {
		return nil, before
	}
	for _, e := range b.rows {
		if e.ID > after && e.Parked == parked && len(events) < limit {
			events = append(events, e)
		}
	}
	b.reads += len(events)
	return events, nil
}

func (b *box) HookDone(ctx context.Context, id int64) error {
	return b.change("done", id, func(i int) { b.rows = slices.Delete(b.rows, i, i+1) })
}

func (b *box) HookFailed(ctx context.Context, id int64, text string, again time.Time, park bool) error {
	return b.change("failed", id, func(i int) {
		e := &b.rows[i]
		e.Attempts++
		e.Error, e.NotBefore, e.Parked = text, again, park
		if park {
			b.parked = append(b.parked, *e)
		}
	})
}

func (b *box) change(op string, id int64, do func(i int)) error {
	defer time.Sleep(b.slow) // after the effect
	b.mu.Lock()
	defer b.mu.Unlock()
	before, after := b.faults(op)
	if before != nil {
		return before
	}
	if i := slices.IndexFunc(b.rows, func(e daemon.HookEvent) bool { return e.ID == id }); i >= 0 {
		do(i)
	}
	return after
}

// put puts an event of a subject into the outbox and wakes the runner.
func (b *box) put(hook, event, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.insert(hook, event, subject)
	b.wake()
}

func (b *box) insert(hook, event, subject string) {
	e := daemon.Event{Name: event, Build: subject, Time: time.Now().UTC()}
	arguments, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	id := int64(1)
	if n := len(b.rows); n > 0 {
		id = b.rows[n-1].ID + 1
	}
	b.rows = append(b.rows, daemon.HookEvent{ID: id, Hook: hook, Event: event, Subject: subject, Arguments: arguments, Created: e.Time})
}

// retry takes parked events up again.
func (b *box) retry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if e := &b.rows[i]; e.Parked {
			e.Parked, e.Attempts, e.NotBefore = false, 0, time.Time{}
		}
	}
	b.wake()
}

func (b *box) all() []daemon.HookEvent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.rows)
}

// tellings are what a hook of a test was told, and when.
type tellings struct {
	mu   sync.Mutex // guards list
	list []telling
}

type telling struct {
	what string // hook, event and subject
	at   time.Time
}

func (r *tellings) add(e daemon.HookEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, telling{e.Hook + " " + e.Event + " " + e.Subject, time.Now()})
}

func (r *tellings) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, t := range r.list {
		all = append(all, t.what)
	}
	return strings.Join(all, ", ")
}

type tellFunc = func(context.Context, daemon.HookEvent) error

// newRunner is a runner of hooks that are functions.
func newRunner(parallel int, hooks map[string]tellFunc) *Runner {
	r := New(Config{Parallel: parallel, Grace: time.Minute, Log: slog.New(slog.DiscardHandler)})
	for name, tell := range hooks {
		r.hooks[name] = &hook{tell: tell, timeout: 5 * time.Minute, attempts: 10}
	}
	return r
}

// run runs a runner until the function that it returns is called.
func run(t *testing.T, r *Runner, outbox Outbox) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx, outbox)
	}()
	return func() {
		cancel()
		<-ended
	}
}
