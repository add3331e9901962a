// Package history puts a farm under load and checks what became of it.
//
// Simulated agents and clients talk to a coordinator over HTTP as real ones
// do, while it is killed, while its disk fails or is full, while agents vanish.
// Every request is recorded with the moments when it was sent and when it was
// acknowledged; afterwards [Check] compares this history with what the farm
// says of its builds. It needs no Guix: a [Graph] of made-up derivations is
// served as a substitute server would. A [History.Recorder] records real agents
// for the same check.
//
// Two variables of the environment change the tests: TBFG_SEED repeats the
// dice of a run, which prints it, though not the order in which processes get
// their turns; TBFG_KILLS says how often the farm is killed.
package history
