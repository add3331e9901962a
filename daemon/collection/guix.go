package collection

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"codeberg.org/tbfg/tbfg/daemon"
)

//go:embed evaluate.scm
var evaluateScript []byte

// Limits of a guix process. All of Guix takes half an hour on a slow machine.
const (
	guixTime  = 2 * time.Hour
	maxLine   = 64 << 10
	maxStderr = 16 << 10
)

// A Command prepares a program, in a process group of its own that is killed
// when the context is done, such as [Run].
type Command func(ctx context.Context, name string, args ...string) *exec.Cmd

// Run prepares a program of this machine.
func Run(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// fromGuix has guix compute the derivations of a collection.
func fromGuix(ctx context.Context, run Command, c *daemon.Collection) (revision string, found []Found, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, guixTime, fmt.Errorf("guix did not end within %v", guixTime))
	defer cancel()
	request, err := guixRequest(c)
	if err != nil {
		return "", nil, err
	}
	dir, err := writeScript()
	if err != nil {
		return "", nil, fmt.Errorf("write the script for guix: %w", err)
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "evaluate.scm")
	guix := c.Guix
	if guix == "" {
		guix = "guix"
	}
	var args []string
	if c.Channels != "" {
		args = append(args, "time-machine", "-C", c.Channels, "--")
	}
	args = append(args, "repl")
	for _, l := range c.LoadPath {
		args = append(args, "-L", l)
	}
	cmd := run(ctx, guix, append(args, "--", script, request)...)
	var e evaluation
	said := &tail{limit: maxStderr}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("run %s: %w", guix, err)
	}
	readErr := e.read(out)
	if readErr != nil {
		_ = cmd.Cancel() // it has nothing more to say to us
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return "", nil, context.Cause(ctx)
	case readErr != nil:
		return "", nil, fmt.Errorf("%s %s: %w", guix, strings.Join(args, " "), readErr)
	case err != nil || !e.ended:
		if err == nil {
			err = errors.New("it ended before its work was done")
		}
		return "", nil, daemon.Errorf(daemon.Invalid, "%s %s: %v; it said:\n%s", guix, strings.Join(args, " "), err, said)
	}
	return e.revision(c), e.found, nil
}

// writeScript puts the script into a directory of its own: guix wants a file,
// and may run as another user.
func writeScript() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "tbfg-collections-"); err != nil {
		return "", err
	}
	err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "evaluate.scm"), evaluateScript, 0o644))
	if err != nil {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return dir, err
}

// evaluation is what evaluate.scm prints.
type evaluation struct {
	guix    string
	commits []string
	found   []Found
	ended   bool
}

func (e *evaluation) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	for lines.Scan() {
		if e.ended {
			return errors.New("something follows the end")
		}
		var line struct {
			Found
			Guix    string   `json:"guix"`
			Commits []string `json:"commits"`
			End     bool     `json:"end"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("a line makes no sense (%w): %.200q", err, lines.Text())
		}
		switch {
		case line.End:
			e.ended = true
		case line.Guix != "":
			e.guix, e.commits = line.Guix, line.Commits
		case line.Name == "" || (line.Derivation == "") == (line.Error == ""):
			return fmt.Errorf("a line is neither a derivation nor an error: %.200q", lines.Text())
		case len(e.found) == maxPackages:
			return fmt.Errorf("there are more than %d packages", maxPackages)
		default:
			e.found = append(e.found, line.Found)
		}
	}
	return lines.Err()
}

// revision says what was evaluated: the channels' commits where guix knows
// them, else its version; where files of one's own are in play their names do
// not say what is in them, so a digest of the derivations stands for that.
func (e *evaluation) revision(c *daemon.Collection) string {
	parts := []string{e.guix}
	if len(e.commits) > 0 {
		parts = parts[:0]
		for _, commit := range e.commits {
			parts = append(parts, commit[:min(len(commit), 12)])
		}
	}
	if len(c.LoadPath)+len(c.Manifests) > 0 {
		parts = append(parts, digest(e.found))
	}
	return strings.Join(parts, "+")
}

// digest tells sets of derivations apart.
func digest(found []Found) string {
	lines := make([]string, len(found))
	for i, f := range found {
		lines[i] = f.Name + " " + f.System + " " + f.Target + " " + f.Derivation + f.Error
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:6])
}

// guixRequest is what the script is asked for, as Scheme.
func guixRequest(c *daemon.Collection) (string, error) {
	w, err := choiceOf(c)
	if err != nil {
		return "", err
	}
	var modules []string
	for _, m := range w.modules {
		modules = append(modules, list(strings.Split(strings.TrimSuffix(m, ".scm"), "/"), quote))
	}
	globs := make([]string, len(w.globs))
	for i, g := range w.globs {
		globs[i] = globExpression(g)
	}
	fields := []string{
		"modules " + list(modules, func(s string) string { return s }),
		"patterns " + list(w.scope, quote), "names " + list(w.names, quote), "globs " + list(globs, quote),
		"manifests " + list(c.Manifests, quote), "systems " + list(c.Systems, quote), "targets " + list(c.Targets, quote),
	}
	for i, f := range fields {
		key, values, _ := strings.Cut(f, " ")
		fields[i] = "(" + key + " . " + values + ")"
	}
	return "(" + strings.Join(fields, " ") + ")", nil
}

func list(items []string, write func(string) string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = write(s)
	}
	return "(" + strings.Join(out, " ") + ")"
}

// quote writes a string of Scheme.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// globExpression is a pattern for names as a regular expression.
func globExpression(glob string) string {
	var b strings.Builder
	b.WriteString("^")
	inClass := false
	for _, r := range glob {
		switch {
		case inClass:
			inClass = r != ']'
			b.WriteRune(r)
		case r == '*':
			b.WriteString(".*")
		case r == '?':
			b.WriteString(".")
		case r == '[':
			inClass = true
			b.WriteRune(r)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String() + "$"
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	text  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > 2*t.limit {
		t.text = bytes.Clone(t.text[len(t.text)-t.limit:])
	}
	return len(p), nil
}

// String is the end, as text.
func (t *tail) String() string {
	text := t.text[max(0, len(t.text)-t.limit):]
	return strings.TrimSpace(strings.ToValidUTF8(string(text), "\uFFFD"))
}
