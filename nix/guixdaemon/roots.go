package guixdaemon

import (
	"context"
	"fmt"
	"math"
	"path"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// AddTempRoot keeps the garbage collector from deleting path, which need not
// be valid yet, until the connection is closed.
func (c *Conn) AddTempRoot(ctx context.Context, path storepath.Path) error {
	return c.call(ctx, "add-temp-root "+string(path), opAddTempRoot,
		args(func(e encoder) { e.string(string(path)) }), (*decoder).done)
}

// AddIndirectRoot makes the symbolic link called file, anywhere on the daemon's
// machine, a root of the garbage collector for as long as it exists: what it
// points to is kept. The link has to exist before the call and, for there to be
// no gap, its target a temporary root.
func (c *Conn) AddIndirectRoot(ctx context.Context, file string) error {
	if !path.IsAbs(file) {
		// The daemon would take it as relative to its own directory.
		return fmt.Errorf("add-indirect-root %q: not an absolute file name", file)
	}
	return c.call(ctx, "add-indirect-root "+file, opAddIndirectRoot,
		args(func(e encoder) { e.string(file) }), (*decoder).done)
}

// SyncWithGC waits until no garbage collection is under way. A collection looks
// at the lasting roots first and at the temporary ones seconds later, and passes
// over roots of what is not valid. So what became valid meanwhile must stay a
// temporary root until the collection has ended, also if it has another root.
func (c *Conn) SyncWithGC(ctx context.Context) error {
	return c.call(ctx, "sync-with-gc", opSyncWithGC, nil, (*decoder).done)
}

// A Root is something that keeps an item from the garbage collector: a symbolic
// link, or a process that uses it.
type Root struct {
	Name   string
	Target storepath.Path
}

// FindRoots returns the garbage collector's roots, without temporary ones.
func (c *Conn) FindRoots(ctx context.Context) (roots []Root, err error) {
	err = c.call(ctx, "find-roots", opFindRoots, nil, func(d *decoder) {
		roots = readList(d, func() Root { return Root{Name: d.string(), Target: d.path()} })
	})
	return roots, err
}

// A GCAction says what CollectGarbage does.
type GCAction uint64

const (
	GCReturnLive     GCAction = 0 // list what is in use
	GCReturnDead     GCAction = 1 // list what is not
	GCDeleteDead     GCAction = 2 // delete what is not in use
	GCDeleteSpecific GCAction = 3 // delete the given paths, or fail if one is in use
)

// CollectGarbage performs action and returns the names that it listed or
// deleted, and the bytes that deleting freed. Deleting stops once enough is
// freed, unless enough is zero. The names are strings: dead are also the
// leftovers in the store directory that are not items of the store. Daemons
// refuse all of this to clients over TCP.
func (c *Conn) CollectGarbage(ctx context.Context, action GCAction, paths []storepath.Path, enough uint64) (names []string, freed uint64, err error) {
	if enough == 0 {
		enough = math.MaxUint64
	}
	err = c.call(ctx, "collect-garbage", opCollectGarbage,
		args(func(e encoder) {
			e.uint(uint64(action))
			writeStrings(e, paths)
			e.bool(false) // ignore liveness, which the daemon refuses to do
			e.uint(enough)
			e.uint(0) // three obsolete fields
			e.uint(0)
			e.uint(0)
		}),
		func(d *decoder) {
			names = readList(d, d.string)
			freed = d.uint()
			d.uint() // obsolete
		})
	return names, freed, err
}

// DeletePaths deletes items that nothing refers to and returns the bytes freed.
// If one is in use the result is an *Error.
func (c *Conn) DeletePaths(ctx context.Context, paths []storepath.Path) (freed uint64, err error) {
	_, freed, err = c.CollectGarbage(ctx, GCDeleteSpecific, paths, 0)
	return freed, err
}
