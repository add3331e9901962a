// Package coordinator holds the farm together. It is the only writer of farm
// state: whoever wants a change asks it, and hears back when the change has
// been committed to the database, never before.
//
// What is in memory, [scheduler.Scheduler] above all, is an index that is
// rebuilt from the database at start, and again after a commit failed.
package coordinator
