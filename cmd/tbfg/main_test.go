package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// runAsProgram makes the test program be tbfg.
const runAsProgram = "TBFG_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(runAsProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is a command line that has not been started; args[0] is what the
// program is called by.
func command(ctx context.Context, t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = args
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), runAsProgram+"=1",
		"GORACE=atexit_sleep_ms=0",              // a second for each process is too much
		"XDG_CACHE_HOME="+cmd.Dir, "NO_COLOR=1") // agents' spool directories
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// result is what a command did.
type result struct {
	stdout, stderr string
	status         int
}

// run runs a command to its end.
func run(t *testing.T, stdin string, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := command(ctx, t, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(stdin)), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// inProcess runs a command in this process and returns what it prints.
func inProcess(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	defer func(args []string) { os.Args = args }(os.Args)
	os.Args = args // the library's completion looks at it
	var out bytes.Buffer
	app := newApp(args[0])
	app.Writer, app.ErrWriter = &out, io.Discard
	err = app.RunContext(t.Context(), reorder(args))
	return out.String(), err
}
