package main

import "slices"

// agentVerbs follow "agent" directly; anything else there is an agent's UUID.
var agentVerbs = []string{"run", "new", "list", "show", "set", "password", "help", "--help", "-h", "--generate-bash-completion"}

// reorder turns upstream's "agent UUID VERB …" into "agent VERB … UUID", which
// is how commands with options can be described. "agent UUID" alone shows it.
func reorder(args []string) []string {
	if len(args) < 3 || args[1] != "agent" || slices.Contains(agentVerbs, args[2]) {
		return args
	}
	id, rest := args[2], args[3:]
	if len(rest) == 0 {
		rest = []string{"show"}
	}
	return slices.Concat(args[:2], rest, []string{id})
}
