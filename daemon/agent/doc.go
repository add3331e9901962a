// Package agent is the build agent: it fetches builds from a coordinator over
// HTTP, has a guix-daemon build them, and reports.
//
// One goroutine, in [Agent.Run], decides what starts; each build has one of
// its own, which goes through the steps of [Agent.attempt] and then delivers
// what it has to say, however long the coordinator is away.
//
// Files: the log of each build under way, compressed, in the spool directory.
// Trust: what is there is sent as the build's log. Size: that of the logs.
// Loss: after a crash the coordinator still has the build allocated to this
// agent, which then builds it again; the directory is cleared at start.
package agent
