// Package clientapi is the clients' API of the coordinator (port 8746): the
// handler that the coordinator serves and the client behind our commands.
//
// As upstream's it asks for no credentials; it is served on loopback only.
package clientapi
