// Package daemon is the vocabulary of the farm: what a build, an agent, a
// result is, in the words that the rest of the program uses.
//
// The packages below it do the work. Data goes one way: an API
// ([daemon/agentapi], [daemon/clientapi]) translates a message of [daemon/wire]
// into these types and asks [daemon/coordinator], the only writer, which
// commits to [daemon/datastore] and then tells [daemon/scheduler].
package daemon
