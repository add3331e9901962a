package scheduler

import (
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A Build is an unfinished build as it comes from the database.
type Build struct {
	ID        int64
	System    string
	Priority  int64
	Tags      []daemon.Tag
	Makes     []int64 // outputs
	Needs     []Need
	NotBefore time.Time // not handed out earlier
	Agent     string    // the agent that holds it; may be empty
}

// A Need is an output that a build needs, with what the finished builds of
// the farm say of it.
type Need struct {
	Output int64
	Built  bool // a build of the farm made it
	Lost   bool // since then an agent could not get it, see [Scheduler.Lost]
	// Failed is the newest failed build of it, or zero: if it was built and
	// is not lost; if it is lost, and none failed after it was.
	Failed int64
}

// build is a build with its place among the others. There may be a million:
// it holds no pointers, and its size matters.
type build struct {
	id       int64
	priority int64 // its own
	derived  int64 // the highest of its own and of what waits for it, see settle
	needs    list  // outputs
	makes    list  // outputs
	system   int32
	tags     int32 // its set of tags
	chain    int32 // builds on the longest path of those that wait for it
	missing  int32 // needs that are not there
	blocked  int32 // needs that are hopeless, see [output.hopeless]
	queue    int32 // that it stands in, or noQueue
	at       int32 // its index there
	named    int32 // once it is gone: the lists of waiters that still name it

	held     bool // by an agent
	deferred bool // has a time in [Scheduler.notBefore]
	gone     bool // finished or canceled
	counted  standing

	// What follows belongs to settle.
	link    link
	doubted bool // derived was taken back for the moment
	dirty   bool // in Scheduler.dirty
	queued  bool // in Scheduler.work
}
