package scheduler

import "codeberg.org/tbfg/tbfg/daemon"

// counts are the numbers of builds that no queue tells.
type counts struct{ held, blocked int }

// count counts a build, or with -1 does not any more. Whoever changes what its
// state depends on does both.
func (c *counts) count(b *build, n int) {
	switch {
	case b.held:
		c.held += n
	case b.blocked > 0:
		c.blocked += n
	}
}

// Counts are the numbers of unfinished builds by their state, as State tells
// it.
func (s *Scheduler) Counts() map[daemon.State]int {
	ready := 0
	for _, sys := range s.systems {
		for _, q := range sys.queues {
			ready += len(s.queues.at(q).builds)
		}
	}
	deferred := len(s.queues.at(due).builds)
	return map[daemon.State]int{
		daemon.Allocated: s.counts.held,
		daemon.Blocked:   s.counts.blocked,
		daemon.Ready:     ready,
		daemon.Deferred:  deferred,
		daemon.Waiting:   s.Len() - s.counts.held - s.counts.blocked - ready - deferred,
	}
}
