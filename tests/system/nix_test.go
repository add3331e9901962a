package system

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/tests/machine"
)

// testNix runs the tests of a package of nix/ that want something real, which
// the variables tell them. Such a test skips itself where it lacks something;
// here it must not.
func testNix(t *testing.T, room string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run=^TestReal", "codeberg.org/tbfg/tbfg/nix/"+room)
	cmd.Env = append(os.Environ(), env...)
	var output bytes.Buffer
	cmd.Stdout = io.MultiWriter(t.Output(), &output)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		t.Fatalf("the tests of nix/%s: %v", room, err)
	}
	if said := output.String(); !strings.Contains(said, "--- PASS: TestReal") || strings.Contains(said, "--- SKIP") {
		t.Errorf("not all of the tests of nix/%s were run", room)
	}
}

func TestTheDaemonsClientOnRealDaemons(t *testing.T) {
	for _, suite := range []string{machine.Sid, machine.Bullseye} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			m := machine.New(t, suite)
			// Guix 1.2.0 shows these to the builders of fixed outputs, and fails where
			// there are none.
			for _, file := range []string{"/etc/hosts", "/etc/services"} {
				if _, err := os.Stat(m.Path(file)); err == nil {
					continue
				}
				if err := m.WriteFile(file, []byte("# nothing\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := m.Daemon(ctx); err != nil {
				t.Fatal(err)
			}
			testNix(t, "guixdaemon", "TBFG_TEST_DAEMON="+m.Socket(), "TBFG_TEST_SHELL="+m.Path("/bin/bash-static"))
		})
	}
}

func TestDerivationsOnThousandsOfRealOnes(t *testing.T) {
	t.Parallel()
	m := machine.New(t, machine.Sid)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := m.Daemon(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Install("../graph.scm", "/tmp/graph.scm"); err != nil {
		t.Fatal(err)
	}
	packages, err := m.Run(ctx, "guix", "repl", "--", "/tmp/graph.scm")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(lines(packages)); n < 250 {
		t.Errorf("got the derivations of %d packages, want some three hundred", n)
	}
	testNix(t, "derivation", "TBFG_REAL_DRVS="+m.Path("/gnu/store"))
}
