// Package secrets keeps what only the farm may read, each in a file of its
// own in one directory:
//
//	<state>/secrets/client.token          who has it may use the clients' API beyond loopback
//	<state>/secrets/local-agent.uuid      the local agent's UUID
//	<state>/secrets/local-agent.password  and its password
//	<state>/secrets/signing.key           signs the substitutes that the farm serves
//	<state>/secrets/agents/NAME.token     enrols the declared agent NAME
//
// The directories have the mode 0700, the files 0600, and all belong to the
// user that the farm runs as. Trust: whoever can read a file can do what it
// is for, whoever can write there can give that to others. Size: a line each.
// Loss: what is gone is made again at the next start; who had the old one
// needs the new one.
package secrets
