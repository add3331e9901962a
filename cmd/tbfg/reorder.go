package main

import (
	"slices"
	"strings"
)

// agentVerbs follow "agent" directly; anything else there is an agent's UUID.
var agentVerbs = []string{"run", "new", "list", "show", "set", "password", "help"}

// completion is what a shell adds to a command that it wants to have completed.
const completion = "--generate-bash-completion"

// reorder turns upstream's "agent UUID VERB …" into "agent VERB … UUID", which
// is how commands with options can be described. "agent UUID" alone shows it.
func reorder(args []string) []string {
	if len(args) < 3 || args[1] != "agent" || strings.HasPrefix(args[2], "-") || slices.Contains(agentVerbs, args[2]) {
		return args
	}
	id, rest := args[2], args[3:]
	switch {
	case len(rest) == 0:
		rest = []string{"show", id}
	case rest[len(rest)-1] != completion:
		rest = append(slices.Clone(rest), id)
	}
	return slices.Concat(args[:2], rest)
}
