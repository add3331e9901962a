package config

import (
	"strings"

	"codeberg.org/tbfg/tbfg/daemon/secrets"
)

// DeclaredAgent declares an agent on another machine.
type DeclaredAgent struct {
	Name        string   `toml:"name" comment:"The agent's name. It enrols with this name and the token in secrets/agents/NAME.token of state_dir, which the farm makes."`
	Description string   `toml:"description,omitempty" comment:"What people should know of it."`
	Systems     []string `toml:"systems,omitempty" comment:"It builds for these systems only, such as [\"x86_64-linux\"]; [] for all that it asks for."`
	Tags        []string `toml:"tags,omitempty" comment:"Its tags, each as \"key=value\"."`
}

func (v *validator) agents(agents []DeclaredAgent) {
	names := make(map[string]bool)
	for i, a := range agents {
		if !secrets.ValidAgent(a.Name) {
			v.check(false, "the name of agent %d must be of letters, digits and . _ - and begin with a letter or digit, not %q", i+1, a.Name)
			continue
		}
		v.check(!names[a.Name], "there are two agents called %q", a.Name)
		names[a.Name] = true
		for _, s := range a.Systems {
			v.check(s != "", "agent %q: systems must not have an empty name", a.Name)
		}
		for _, t := range a.Tags {
			key, _, ok := strings.Cut(t, "=")
			v.check(ok && key != "", "agent %q: tags must be like \"key=value\", not %q", a.Name, t)
		}
	}
}
