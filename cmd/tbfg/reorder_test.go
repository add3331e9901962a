package main

import (
	"strings"
	"testing"
)

func TestReorder(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"tbfg agent list", "tbfg agent list"},
		{"tbfg agent new --name=x", "tbfg agent new --name=x"},
		{"tbfg agent show ID", "tbfg agent show ID"},
		{"tbfg agent password new ID", "tbfg agent password new ID"},
		{"tbfg agent run --uuid=ID", "tbfg agent run --uuid=ID"},
		{"tbfg agent", "tbfg agent"},
		{"tbfg agent --help", "tbfg agent --help"},
		{"tbfg agent -h", "tbfg agent -h"},
		{"tbfg agent help", "tbfg agent help"},
		{"tbfg agent --nonsense ID", "tbfg agent --nonsense ID"},
		{"tbfg build ID list", "tbfg build ID list"},
		{"tbfg", "tbfg"},
		// As upstream writes it.
		{"tbfg agent ID", "tbfg agent show ID"},
		{"tbfg agent ID show", "tbfg agent show ID"},
		{"tbfg agent ID show --json", "tbfg agent show --json ID"},
		{"tbfg agent ID password", "tbfg agent password ID"},
		{"tbfg agent ID password new", "tbfg agent password new ID"},
		{"tbfg agent ID set --active=false --name x", "tbfg agent set --active=false --name x ID"},
		{"tbfg agent ID --json", "tbfg agent show --json ID"},
		{"tbfg agent ID --help", "tbfg agent --help"},
		{"tbfg agent ID -h", "tbfg agent -h"},
		{"tbfg agent ID set --help", "tbfg agent set --help"},
		{"tbfg agent set --help ID", "tbfg agent set --help"},
		{"tbfg build --help hello", "tbfg build --help"},
		{"tbfg build -- --help hello", "tbfg build -- --help hello"},
		{"tbfg agent ID nonsense", "tbfg agent nonsense ID"},
		{"guix-build-coordinator agent ID password new", "guix-build-coordinator agent password new ID"},
		// What a shell asks for.
		{"tbfg agent --generate-bash-completion", "tbfg agent --generate-bash-completion"},
		{"tbfg agent ID --generate-bash-completion", "tbfg agent --generate-bash-completion"},
		{"tbfg agent ID set --generate-bash-completion", "tbfg agent set --generate-bash-completion"},
		{"tbfg agent ID set - --generate-bash-completion", "tbfg agent set - --generate-bash-completion"},
		{"tbfg build -- --generate-bash-completion", "tbfg build - --generate-bash-completion"},
		{"tbfg build --help --generate-bash-completion", "tbfg build --help --generate-bash-completion"},
	} {
		args := strings.Fields(tt.args)
		got := strings.Join(reorder(args), " ")
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
		if strings.Join(args, " ") != tt.args {
			t.Errorf("%s: the arguments themselves became %s", tt.args, args)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{{"hello", 0, "hello"}, {"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"hello", 1, "…"}} {
		if got := clip(tt.text, tt.n); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}
