// Package system tests the farm as a whole: the program itself, on machines of
// its own (see tests/machine), with a real guix-daemon that builds real
// derivations (see tests/toy).
//
// A test starts what it needs, in a few lines, and does to it what happens to
// farms: kills, restarts, a full queue, wrong passwords, a garbage collector.
// Nothing waits for a fixed time. A builder that must last stands at a gate
// until the test opens it, and a gate counts who came.
//
// The tests need root and what tests/machine needs.
package system
