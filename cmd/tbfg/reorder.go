package main

import (
	"slices"
	"strings"
)

// agentVerbs follow "agent" directly; anything else there is an agent's UUID.
var agentVerbs = []string{"run", "status", "new", "list", "show", "set", "password",
	"pause", "drain", "resume", "activate", "deactivate", "tags", "help"}

// completion is what a shell adds to a command that it wants to have completed.
const completion = "--generate-bash-completion"

// reorder turns upstream's "agent UUID VERB …" into "agent VERB … UUID", which
// is how commands with options can be described. "agent UUID" alone shows it.
func reorder(args []string) []string {
	args = plain(args)
	if len(args) < 3 || args[1] != "agent" || strings.HasPrefix(args[2], "-") || slices.Contains(agentVerbs, args[2]) {
		return args
	}
	id, rest := args[2], args[3:]
	switch {
	case len(rest) > 0 && (rest[len(rest)-1] == completion || isHelp(rest[len(rest)-1])):
		return slices.Concat(args[:2], rest)
	case len(rest) == 0 || strings.HasPrefix(rest[0], "-"):
		rest = slices.Concat([]string{"show"}, rest)
	}
	return slices.Concat(args[:2], rest, []string{id})
}

// plain spares the library what it misunderstands: words after --help, which
// would be names of topics, and a "--" that is to be completed, after which
// there would be no options.
func plain(args []string) []string {
	n := len(args)
	if args[n-1] == completion {
		if n > 1 && args[n-2] == "--" {
			return slices.Concat(args[:n-2], []string{"-", completion})
		}
		return args
	}
	for i, arg := range args[1:] {
		if arg == "--" {
			break
		}
		if isHelp(arg) {
			return args[:i+2]
		}
	}
	return args
}

func isHelp(arg string) bool { return arg == "--help" || arg == "-h" }
