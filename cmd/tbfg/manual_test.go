package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What bash offers at the end of a command line.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil || exec.Command(bash, "-c", "compgen -W x").Run() != nil {
		t.Skip("there is no bash that completes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "tbfg")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		words string // the last one is completed; _ stands for an empty one
		want  string // one of those offered; empty for none at all
		not   string
	}{
		{"tbfg _", "build", "--json"},
		{"tbfg bu", "build", "agent"},
		{"tbfg build _", "list", "--json"},
		{"tbfg build --", "--json", "list"},
		{"tbfg build -", "--json", "list"},
		{"tbfg build --j", "--json", "--tag"},
		{"tbfg build --json --", "--tag", "--json"},
		{"tbfg agent UUID set --", "--name", "-n"},
		{"tbfg build cancel -- _", "", ""},
		{"tbfg build cancel -- --", "", ""},
	} {
		words := strings.Fields(tt.words)
		if last := len(words) - 1; words[last] == "_" {
			words[last] = ""
		}
		cmd := exec.Command(bash, append([]string{"-c", bashCompletion +
			`COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _tbfg; printf '%s\n' "${COMPREPLY[@]}"`, "bash"}, words...)...)
		cmd.Env = append(os.Environ(), runAsProgram+"=1", "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", tt.words, err)
		}
		got := "\n" + string(out)
		if tt.want == "" && strings.TrimSpace(got) != "" || tt.want != "" && !strings.Contains(got, "\n"+tt.want+"\n") {
			t.Errorf("%s: got %q, want %q", tt.words, got, tt.want)
		}
		if tt.not != "" && strings.Contains(got, "\n"+tt.not+"\n") {
			t.Errorf("%s: got %q, want no %q", tt.words, got, tt.not)
		}
	}
}

// No line of the man page but those meant so is a request to troff.
func TestTheManPageIsEscaped(t *testing.T) {
	var p page
	p.text(".dot\n'quote\n   $(a\\b --c)…\nend")
	const want = "\\&.dot\n\\&'quote\n.RS 3\n.nf\n$(a\\eb \\-\\-c)...\n.fi\n.RE\nend\n"
	if got := p.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
