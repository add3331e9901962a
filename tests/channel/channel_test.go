package channel

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/tests/machine"

	"github.com/google/go-cmp/cmp"
)

// patience is how long anything may take; it only ends what hangs.
const patience = 3 * time.Minute

// examples are the operating systems of docs/examples.
var examples = []string{"one-line", "post", "farm-head", "agent-only", "upstream-agent"}

// tree is where the source tree stands in the machine.
const tree = "/root/tbfg"

// A guix is a machine with the channel, and what evaluate.scm made of it.
type guix struct {
	*machine.Machine
	agents, clients, front string // addresses of the farm of testdata/live.scm
}

// secret is a token in a declaration, which it should not be.
const secret = "a-token-that-is-declared"

// TestChannel evaluates once and has the parts of the test look at it.
func TestChannel(t *testing.T) {
	t.Parallel()
	g := evaluate(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *guix)
	}{
		{"the command computes the same system", testCommand},
		{"the tree is a channel", testTree},
		{"the package is in Guix's style", testStyle},
		{"every declaration has a derivation", testDerivations},
		{"wrong declarations are refused where they are wrong", testWrong},
		{"the program accepts every configuration", testConfigurations},
		{"fields and keys are complete", testFields},
		{"the package has what go.mod requires", testInputs},
		{"files have their owners and modes, and services run", testLive},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, g) })
	}
}

// evaluate evaluates everything in one process.
func evaluate(t *testing.T) *guix {
	t.Helper()
	g := &guix{machine.New(t, machine.Sid), machine.FreeAddress(t), machine.FreeAddress(t), machine.FreeAddress(t)}
	if _, err := g.Daemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.installTree(t)
	g.installProgram(t)
	if err := os.Mkdir(g.Path("/out"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"repl", "-L", tree + "/guix", "--", tree + "/tests/channel/evaluate.scm", "/out",
		"package", ",", "fields", ",", "test", ",", "tree", tree, ",", "services", tree + "/tests/channel/testdata/live.scm"}
	for _, name := range examples {
		args = append(args, ",", "system", tree+"/docs/examples/"+name+".scm")
	}
	for _, w := range wrong {
		file := "/root/" + w.name + ".scm"
		if err := g.WriteFile(file, []byte(w.text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, ",", "wrong", file)
	}
	cmd := g.Command(t.Context(), "guix", args...)
	cmd.Env = append(cmd.Env, "AGENTS="+g.agents, "CLIENTS="+g.clients, "FRONT="+g.front, "TOKEN="+secret)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("evaluate: %v\n%s", err, out)
	}
	return g
}

// installTree puts what belongs to the channel into the machine.
func (g *guix) installTree(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(g.Path(tree), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"guix", "docs/examples", "tests/channel"} {
		if err := os.CopyFS(g.Path(tree+"/"+dir), os.DirFS("../../"+dir)); err != nil {
			t.Fatal(err)
		}
	}
	keys := tree + "/docs/examples/keys/guix/"
	for from, to := range map[string]string{
		"../../go.mod":        tree + "/go.mod",
		"../../.guix-channel": tree + "/.guix-channel",
		"../../channel.scm":   tree + "/channel.scm",
		"../../manifest.scm":  tree + "/manifest.scm",
		// The keys that one is told to copy. Guix comes with one of them only.
		g.Path("/usr/share/guix/bordeaux.guix.gnu.org.pub"): keys + "bordeaux.guix.gnu.org-export.pub",
		g.Path("/usr/share/guix/ci.guix.gnu.org.pub"):       keys + "data.guix.gnu.org.pub",
	} {
		if err := g.Install(from, to); err != nil {
			t.Fatal(err)
		}
	}
}

// installProgram puts the program of this tree in the place of the package.
func (g *guix) installProgram(t *testing.T) {
	t.Helper()
	program := g.Path("/opt/tbfg/bin/tbfg")
	build := exec.Command("go", "build", "-o", program, "codeberg.org/tbfg/tbfg/cmd/tbfg")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tbfg: %v\n%s", err, out)
	}
	for _, name := range []string{"guix-build-coordinator", "guix-build-coordinator-agent"} {
		if err := os.Symlink("tbfg", filepath.Join(filepath.Dir(program), name)); err != nil {
			t.Fatal(err)
		}
	}
}

// made is a file that evaluate.scm made.
func (g *guix) made(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(g.Path("/out/" + name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines are the lines of a file that evaluate.scm made, in fields.
func (g *guix) lines(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	for line := range strings.Lines(g.made(t, name)) {
		lines = append(lines, strings.Fields(line))
	}
	if len(lines) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return lines
}

// testCommand compares with what users run.
func testCommand(t *testing.T, g *guix) {
	t.Parallel()
	system := func(args ...string) (string, error) {
		return g.Run(t.Context(), "guix", slices.Concat([]string{"system"}, args, []string{"-L", tree + "/guix"})...)
	}
	got, err := system("build", "-d", "--no-grafts", tree+"/docs/examples/one-line.scm")
	if err != nil {
		t.Fatal(err)
	}
	if want := g.made(t, "one-line.drv"); strings.TrimSpace(got) != want {
		t.Errorf("guix system build: got %q, want %q", got, want)
	}
	graph, err := system("shepherd-graph", tree+"/docs/examples/one-line.scm")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{`"tbfg" [label = "tbfg"`, `"tbfg-sockets" [label = "tbfg-sockets"`, `"tbfg" -> "guix-daemon"`} {
		if !strings.Contains(graph, node) {
			t.Errorf("guix system shepherd-graph does not have %s", node)
		}
	}
	_, err = system("build", "-d", "/root/port.scm")
	if want := "/root/port.scm:4:16: error: tbfg: agent-listen: the port of"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("guix system build of a wrong declaration: got the error %v, want %s", err, want)
	}
}

// testTree checks what Guix reads of a channel before its modules.
func testTree(t *testing.T, g *guix) {
	text := g.made(t, "tree")
	for _, want := range []string{"directory /guix\n", "channel tbfg https://codeberg.org/tbfg/tbfg\n", "channel guix ", "package go\n", "package gcc-toolchain\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want %q in it", text, want)
		}
	}
}

// testStyle runs the programs by which Guix judges packages.
func testStyle(t *testing.T, g *guix) {
	t.Parallel()
	const file = tree + "/guix/tbfg/packages.scm"
	before := g.read(t, file)
	if _, err := g.Run(t.Context(), "guix", "style", "-L", tree+"/guix", "tbfg"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, g.read(t, file)); diff != "" {
		t.Errorf("guix style would change the package (-ours +theirs)\n%s", diff)
	}
	lint := g.Command(t.Context(), "guix", "lint", "--no-network", "--exclude=derivation", "-L", tree+"/guix", "tbfg")
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("guix lint: got %q, %v; want nothing", out, err)
	}
}
