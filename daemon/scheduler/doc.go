// Package scheduler is the farm's ready queue: which build may start, and
// which of those an agent gets.
//
// It is pure: builds and what happens to them go in, allocations come out.
// It keeps no files and no clock, and everything in it can be rebuilt from
// the database. The coordinator guards it: what changes it must run alone;
// what only asks (State, BlockedBy, WaitsFor, Priority, NextDue, Ready,
// ReadyFor, Len, Counts, Blocks, Stuck) may run at the same time as others that do.
//
// A build waits for outputs, not for builds: an output that a derivation
// needs is there when a build of the farm made it, or when no build of the
// farm makes it, since agents then get it as a substitute or say that they
// cannot. See [output.there].
//
// DESIGN.md explains how it does that for a million builds.
package scheduler
