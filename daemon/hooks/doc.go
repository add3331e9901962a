// Package hooks tells others what happens on the farm: programs, which read
// an event as JSON on their standard input, and Guix Data Services.
//
// Events come from the outbox, a table of the coordinator's database, into
// which each is put by the very commit that makes it true, once for each hook
// that wants it. It leaves the table when its hook has taken it. So
//
//   - a hook is told of each event at least once; after a crash, or if the
//     database cannot be written, again;
//   - the events of one build reach one hook in their order: one that failed
//     and waits for its next attempt holds back those that follow. One that is
//     parked, after too many failures, does not;
//   - everything else goes on in parallel, up to a limit, of which no hook
//     takes all if there are several.
//
// One goroutine, in [Runner.Run], decides what is next; each hook that is being
// told has one of its own. In memory are a window of the outbox for each hook,
// without the events' texts, and a page of it while it is read.
//
// Trust: who can write the database can have hooks told what is not true, but
// what programs run is said by the configuration alone; they run with the
// coordinator's rights. Size: this package writes no files; an event in the
// outbox takes about 500 bytes, one with missing inputs up to 1 MB, and with it
// the last failure's text of at most 1 KiB. Loss: with the database; hooks then
// are not told of what was in it.
package hooks
