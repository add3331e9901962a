// Package phases has the channel's package built by a real guix-daemon, in its
// sandbox, as one of its build users and without a network: the derivation of
// "guix build tbfg" with stand-ins for the inputs, see build.scm.
package phases

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contents is what the package installs.
const contents = `bin/guix-build-coordinator -> tbfg
bin/guix-build-coordinator-agent -> tbfg
bin/tbfg
lib/systemd/system/tbfg-agent.service
lib/systemd/system/tbfg-agents.socket
lib/systemd/system/tbfg-clients.socket
lib/systemd/system/tbfg-logs.socket
lib/systemd/system/tbfg.service
lib/sysusers.d/tbfg.conf
share/bash-completion/completions/guix-build-coordinator -> tbfg
share/bash-completion/completions/guix-build-coordinator-agent -> tbfg
share/bash-completion/completions/tbfg
share/doc/tbfg-0.1.0/COPYING
share/man/man1/guix-build-coordinator-agent.1.gz -> tbfg.1.gz
share/man/man1/guix-build-coordinator.1.gz -> tbfg.1.gz
share/man/man1/tbfg.1.gz
share/zsh/site-functions/_tbfg
`

// TestPhases runs all phases, of the tests only the quickest: all of them take
// minutes, and "make unit" has run them.
func TestPhases(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	out, log := b.build(t, "nix/...")
	if !strings.Contains(log, "ok  \tcodeberg.org/tbfg/tbfg/nix/derivation\t") {
		t.Error("the check phase did not run")
	}
	checkSkipped(t, log)
	checkContents(t, b.Path(out))
	checkPrograms(t, b.Path(out))
	checkManual(t, b.Path(out), out)
	references, err := b.Run(t.Context(), "guix", "gc", "--references", out)
	if err != nil || strings.TrimSpace(references) != out {
		t.Errorf("got references %q, %v; want only itself, from its units", references, err)
	}
}

// TestCheckPhase runs the tests that the package says.
func TestCheckPhase(t *testing.T) {
	if os.Getenv("TBFG_SOAK") == "" {
		t.Skip("TBFG_SOAK is not set")
	}
	_, log := prepare(t).build(t)
	for _, room := range []string{"config", "daemon/coordinator", "nix/derivation", "shepherd"} {
		if !strings.Contains(log, "ok  \tcodeberg.org/tbfg/tbfg/"+room+"\t") {
			t.Errorf("the tests of %s did not run", room)
		}
	}
	checkSkipped(t, log)
}

// mayLack is what tests cannot have in a build of Guix: a daemon, its store,
// and programs that they only compare with.
var mayLack = regexp.MustCompile(`TBFG_TEST_DAEMON|TBFG_REAL_DRVS|nix-store is not installed|lzip is not installed|sqlite3 is not installed|load average`)

func checkSkipped(t *testing.T, log string) {
	t.Helper()
	skipped := regexp.MustCompile(`(?m)^(.*)\n *--- SKIP: (\S+)`).FindAllStringSubmatch(log, -1)
	if len(skipped) == 0 {
		t.Error("no test was skipped, not even those of the daemon")
	}
	for _, s := range skipped {
		if !mayLack.MatchString(s[1]) {
			t.Errorf("%s was skipped: %s", s[2], s[1])
		}
	}
}

func checkContents(t *testing.T, dir string) {
	t.Helper()
	var got strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got.WriteString(strings.TrimPrefix(path, dir+"/"))
		if target, err := os.Readlink(path); err == nil {
			got.WriteString(" -> " + target)
		}
		got.WriteString("\n")
		return nil
	})
	if diff := cmp.Diff(contents, got.String()); diff != "" || err != nil {
		t.Errorf("the package's files (-want +got): %v\n%s", err, diff)
	}
}

func checkPrograms(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"tbfg", "guix-build-coordinator", "guix-build-coordinator-agent"} {
		for arg, want := range map[string]string{"--version": "0.1.0", "--help": name} {
			out, err := exec.Command(filepath.Join(dir, "bin", name), arg).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s %s: got %q, %v; want %q", name, arg, out, err, want)
			}
		}
	}
	program, err := os.ReadFile(filepath.Join(dir, "bin/tbfg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/goroot", "/gocache", "/tmp/guix-build"} {
		if bytes.Contains(program, []byte(path)) {
			t.Errorf("the program has the name %s of its build in it", path)
		}
	}
}

// checkManual looks at what the program prints for the package, and at the
// units, which start the program as the store calls it.
func checkManual(t *testing.T, dir, store string) {
	t.Helper()
	for name, want := range map[string]string{
		"share/man/man1/guix-build-coordinator.1.gz":               ".TH",
		"share/bash-completion/completions/guix-build-coordinator": "complete ",
		"share/zsh/site-functions/_tbfg":                           "#compdef tbfg",
		"lib/systemd/system/tbfg.service":                          "ExecStart=" + store + "/bin/tbfg ",
		"lib/systemd/system/tbfg-agent.service":                    store + "/bin/tbfg",
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
		}
		if text, err := io.ReadAll(r); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v; lacks %q", name, err, want)
		}
	}
}
