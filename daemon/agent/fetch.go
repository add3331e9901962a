package agent

import (
	"context"
	"sync"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// maxFetchers is how many store items a fetcher fetches side by side. For
// each the daemon has a process, and a Guile of "guix substitute".
const maxFetchers = 4

// A fetcher has the daemon fetch store items from its substitute servers, for
// all builds: what several wait for at the same time is fetched once. It roots
// nothing. A build that wants an item has named it a temporary root of its own
// connection before, and so a garbage collection spares it.
//
// A connection of the daemon's keeps to the substitute servers that it first
// used, whatever it is told later. So derivations and inputs, which may come
// from different ones, have a fetcher each.
type fetcher struct {
	socket string
	urls   []string // nil leaves them to the daemon

	mu      sync.Mutex // guards what follows, for moments only
	jobs    map[storepath.Path]*fetch
	queue   []*fetch
	workers int
}

// A fetch is an item being fetched, or about to be.
type fetch struct {
	path   storepath.Path
	ctx    context.Context // ends when nobody waits any more
	cancel context.CancelFunc
	done   chan struct{} // closed once err is there
	err    error

	waiters int // guarded by the fetcher's mu
}

func newFetcher(socket string, urls []string) *fetcher {
	return &fetcher{socket: socket, urls: urls, jobs: make(map[storepath.Path]*fetch)}
}

// get makes an item valid. An error that is a [guixdaemon.Error] says that the
// item cannot be had; any other is of the connection or of ctx.
func (f *fetcher) get(ctx context.Context, path storepath.Path) error {
	f.mu.Lock()
	job := f.jobs[path]
	if job == nil {
		job = &fetch{path: path, done: make(chan struct{})}
		job.ctx, job.cancel = context.WithCancel(context.WithoutCancel(ctx))
		f.jobs[path] = job
		f.queue = append(f.queue, job)
		if f.workers < maxFetchers {
			f.workers++
			go f.work()
		}
	}
	job.waiters++
	f.mu.Unlock()

	select {
	case <-job.done:
		return job.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if job.waiters--; job.waiters == 0 {
		job.cancel()
		if f.jobs[path] == job { // whoever comes now begins anew
			delete(f.jobs, path)
		}
	}
	return context.Cause(ctx)
}

// work fetches one item after the other until none is left.
func (f *fetcher) work() {
	var conn *guixdaemon.Conn
	for job := f.next(); job != nil; job = f.next() {
		var err error
		if conn == nil {
			conn, err = f.dial(job.ctx)
		}
		if err == nil {
			err = conn.EnsurePath(job.ctx, job.path)
		}
		if _, ok := refused(err); err != nil && !ok && conn != nil {
			conn.Close()
			conn = nil
		}
		f.finish(job, err)
	}
	if conn != nil {
		conn.Close()
	}
}

func (f *fetcher) dial(ctx context.Context) (*guixdaemon.Conn, error) {
	conn, err := guixdaemon.Dial(ctx, f.socket)
	if err != nil {
		return nil, err
	}
	if err := conn.SetOptions(ctx, guixdaemon.Options{UseSubstitutes: true, SubstituteURLs: f.urls}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// next is the oldest job that somebody waits for; nil ends the worker.
func (f *fetcher) next() *fetch {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) > 0 {
		job := f.queue[0]
		f.queue = f.queue[1:]
		if job.waiters > 0 {
			return job
		}
	}
	f.workers--
	return nil
}

func (f *fetcher) finish(job *fetch, err error) {
	f.mu.Lock()
	if f.jobs[job.path] == job {
		delete(f.jobs, job.path)
	}
	f.mu.Unlock()
	job.err = err
	close(job.done)
	job.cancel()
}
