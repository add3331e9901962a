package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// manualCommand prints what "make install" installs besides the program. It
// is hidden: people read the results.
func manualCommand() *cli.Command {
	return &cli.Command{
		Name:   "manual",
		Usage:  "print the man page or a completion script",
		Hidden: true,
		Subcommands: []*cli.Command{
			{Name: "man", Usage: "print the man page tbfg(1)", Action: func(c *cli.Context) error {
				_, err := c.App.Writer.Write(manPage())
				return err
			}},
			{Name: "bash", Usage: "print the completion for bash", Action: printText(bashCompletion)},
			{Name: "zsh", Usage: "print the completion for zsh", Action: printText(zshCompletion)},
		},
	}
}

func printText(text string) cli.ActionFunc {
	return func(c *cli.Context) error {
		_, err := fmt.Fprint(c.App.Writer, text)
		return err
	}
}

// The program itself completes: asked with --generate-bash-completion it
// prints the words that may follow. After a "--" only arguments follow, of
// which it knows nothing.
const (
	bashCompletion = `_tbfg() {
    local words="${COMP_WORDS[*]:0:COMP_CWORD}" current="${COMP_WORDS[COMP_CWORD]}"
    [[ "$words " == *" -- "* ]] && return
    [[ $current == -* ]] && words+=" $current"
    mapfile -t COMPREPLY < <(compgen -W "$($words --generate-bash-completion 2>/dev/null)" -- "$current")
}
complete -o bashdefault -o default -F _tbfg tbfg guix-build-coordinator guix-build-coordinator-agent
`
	zshCompletion = `#compdef tbfg guix-build-coordinator guix-build-coordinator-agent
_tbfg() {
    local -a asked
    asked=("${(@)words[1,CURRENT-1]}")
    [[ ${asked[(I)--]} -gt 0 ]] && return
    [[ ${words[CURRENT]} == -* ]] && asked+=("${words[CURRENT]}")
    compadd -- ${(f)"$($asked --generate-bash-completion 2>/dev/null)"}
}
if [[ ${funcstack[1]} == _tbfg ]]; then # loaded to complete, not by hand
    _tbfg "$@"
else
    compdef _tbfg tbfg guix-build-coordinator guix-build-coordinator-agent
fi
`
)
