// Package agentapi is the agents' API of the coordinator (port 8745): the
// handler that the coordinator serves and the client that our agent uses.
//
// Every request carries HTTP Basic credentials, the agent's UUID and its
// password. An agent may speak only for itself and of builds that it holds.
package agentapi
