// Package events is the stream of events: what happens in the farm, in its order,
// for everyone who follows it over HTTP, and from any event on that is still kept.
//
// The database has the events; here is what makes a thousand followers cheap. One
// goroutine reads new events, makes each a frame once, and keeps the newest frames
// in memory, which all followers share: each has only its place among them. Who
// is behind those reads from the database until it has caught up. So a slow follower
// takes no memory and delays nobody, and one that takes nothing for a while is
// dropped; it comes back with the id of the last event that it saw.
package events
