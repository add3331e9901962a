package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// buildScript is a program for guix repl that builds one derivation, of
// the static bash and busybox, for each pair of name and shell script in its
// arguments, and prints the contents of the outputs.
const buildScript = `
(use-modules (guix) (ice-9 match) (ice-9 textual-ports))
(with-store store
  (define (binary name file)
    (add-to-store store name #t "sha256" file))
  (define bash (binary "bash-static" "/bin/bash-static"))
  (define busybox (binary "busybox" (if (file-exists? "/bin/busybox") "/bin/busybox" "/usr/bin/busybox")))
  (let loop ((rest (cdr (command-line))))
    (match rest
      (() #t)
      ((name script . rest)
       (let ((drv (derivation store name bash
                              ;; Busybox goes by the name it is called by.
                              (list "-c" (string-append
                                          "busybox() { (exec -a busybox \"$busybox\" \"$@\"); }; set -e; "
                                          script))
                              #:env-vars (list (cons "busybox" busybox))
                              #:inputs '() #:sources (list bash busybox)
                              #:substitutable? #f)))
         (build-derivations store (list drv))
         (display (call-with-input-file (derivation->output-path drv) get-string-all))
         (loop rest))))))
`

// build builds derivations by pairs of name and script, with Guix's own client.
func build(ctx context.Context, m *Machine, args ...string) (string, error) {
	if err := m.WriteFile("/tmp/build.scm", []byte(buildScript), 0o644); err != nil {
		return "", err
	}
	return m.Run(ctx, "guix", append([]string{"repl", "--", "/tmp/build.scm"}, args...)...)
}

// withDaemon is a new machine on which guix-daemon runs.
func withDaemon(t *testing.T, suites ...string) *Machine {
	t.Helper()
	m := New(t, suites...)
	if _, err := m.Daemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// checkGone checks that nothing is left of a machine.
func checkGone(t *testing.T, dir string, pids ...int) {
	t.Helper()
	if left, err := mountsBelow(dir); err != nil || len(left) != 0 {
		t.Errorf("mounts left: %v, %v", left, err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("directory left: %v", err)
	}
	for _, pid := range pids {
		if _, ok := rootOf(fmt.Sprintf("/proc/%d/root", pid)); ok {
			t.Errorf("process left: %d", pid)
		}
	}
}

func TestMachinesBuildSideBySideWithoutKillingEachOther(t *testing.T) {
	t.Parallel()
	a, b := withDaemon(t), withDaemon(t)
	var g errgroup.Group
	// Every build of the one begins with killing what runs under its build user's number.
	g.Go(func() error {
		out, err := build(t.Context(), a, "slow", `busybox sleep 2; echo "$$ slow" >"$out"`)
		if err == nil && !strings.HasSuffix(out, "slow\n") {
			err = fmt.Errorf("got %q", out)
		}
		return err
	})
	g.Go(func() error {
		var args []string
		var want string
		for i := range 20 {
			args = append(args, fmt.Sprintf("quick-%d", i), fmt.Sprintf(`busybox usleep 50000; echo %d >"$out"`, i))
			want += fmt.Sprintln(i)
		}
		out, err := build(t.Context(), b, args...)
		if err == nil && out != want {
			err = fmt.Errorf("got %q, want %q", out, want)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if quick, _ := filepath.Glob(a.Path("/gnu/store/*-quick-0")); len(quick) != 0 {
		t.Errorf("what one machine built is in the store of the other: %v", quick)
	}
}

func TestTheOldGuixBuildsToo(t *testing.T) {
	t.Parallel()
	m := withDaemon(t, Bullseye)
	out, err := build(t.Context(), m, "old", `echo built >"$out"`)
	if err != nil || out != "built\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	if version, err := m.Run(t.Context(), "guix-daemon", "--version"); err != nil || !strings.Contains(version, " 1.2.") {
		t.Errorf("got %q, %v, want Guix 1.2", version, err)
	}
}

// startSlowBuild starts a build that takes for ever, and returns the number
// of its builder.
func startSlowBuild(t *testing.T, m *Machine) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := m.WriteFile("/tmp/build.scm", []byte(buildScript), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := m.Launch("build", m.Command(context.Background(), "guix", "repl", "--", "/tmp/build.scm",
		"endless", `echo here; while true; do busybox sleep 1; done`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitLine(ctx, "^here$"); err != nil {
		t.Fatal(err)
	}
	procs, err := procsInside(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if p.building {
			return p.pid
		}
	}
	t.Fatalf("got %v, want a builder", procs)
	return 0
}

// detach leaves a process in the machine that nothing ties to its starter.
func detach(t *testing.T, m *Machine) (pid int) {
	t.Helper()
	out, err := m.Run(t.Context(), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	m := withDaemon(t)
	builder, sleeper := startSlowBuild(t, m), detach(t, m)
	daemon := m.daemon.Pid()
	// The machine goes away although the host is still in it.
	f, err := os.Open(m.Path("/etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, m.dir, builder, sleeper, daemon)
	if err := m.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := m.Daemon(t.Context()); err == nil {
		t.Error("a closed machine starts programs")
	}
}

func TestTheDaemonRestartsOnTheSameStore(t *testing.T) {
	t.Parallel()
	m := withDaemon(t)
	if _, err := m.Daemon(t.Context()); err == nil {
		t.Error("two daemons run in one machine")
	}
	builder, sleeper := startSlowBuild(t, m), detach(t, m)
	if err := m.StopDaemon(); err != nil {
		t.Fatal(err)
	}
	if _, ok := rootOf(fmt.Sprintf("/proc/%d/root", builder)); ok {
		t.Error("the builder outlives the daemon")
	}
	if _, ok := rootOf(fmt.Sprintf("/proc/%d/root", sleeper)); !ok {
		t.Error("what is not the daemon's died with it")
	}
	if _, err := m.Daemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := build(t.Context(), m, "after", `echo again >"$out"`); err != nil || out != "again\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestMain(m *testing.M) {
	if root := os.Getenv("TBFG_TEST_MACHINE_ROOT"); root != "" {
		dieHere(root)
	}
	os.Exit(m.Run())
}

// dieHere is the process that TestSweepClearsUpAfterTheDead kills.
func dieHere(root string) {
	m, err := Start(context.Background(), root)
	if err == nil {
		_, err = m.Daemon(context.Background())
	}
	if err == nil {
		var out string
		out, err = m.Run(context.Background(), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
		fmt.Print(m.dir, " ", m.daemon.Pid(), " ", out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(io.Discard, os.Stdin)
}

func TestSweepClearsUpAfterTheDead(t *testing.T) {
	t.Parallel()
	alive := New(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TBFG_TEST_MACHINE_ROOT="+Root(t))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	p := Run(t, cmd)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	said, err := p.WaitLine(ctx, `^(/tmp/tbfg-\d+) (\d+) (\d+)$`)
	if err != nil {
		t.Fatal(err)
	}
	var daemon, sleeper int
	fmt.Sscan(said[2]+" "+said[3], &daemon, &sleeper)
	// Nothing may happen to the machine while its owner lives.
	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	if mounts, err := mountsBelow(said[1]); err != nil || len(mounts) == 0 {
		t.Fatalf("got %v, %v, want mounts in %s", mounts, err, said[1])
	}
	p.Kill()
	// A test that runs in parallel may have swept by now, or be about to.
	for _, err := os.Lstat(said[1]); err == nil; _, err = os.Lstat(said[1]) {
		if err := Sweep(); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatal("the machine of a dead owner stays")
		}
	}
	checkGone(t, said[1], daemon, sleeper)
	if _, err := alive.Run(t.Context(), "true"); err != nil {
		t.Errorf("a machine in use was swept: %v", err)
	}
}

func TestAMachineOnAnOverlayWritesToMemory(t *testing.T) {
	t.Parallel()
	outer := New(t)
	base := outer.Path("/tmp")
	m, err := start(base, Root(t))
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := mountsBelow(filepath.Join(m.dir, "disk"))
	if err != nil || len(mounts) != 1 || mounts[0].kind != "tmpfs" {
		t.Errorf("got %v, %v, want a tmpfs", mounts, err)
	}
	if out, err := m.Run(t.Context(), "busybox", "echo", "hello"); err != nil || out != "hello\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	checkGone(t, m.dir)
}

func TestPathsFollowTheMachinesLinks(t *testing.T) {
	t.Parallel()
	m := New(t)
	root := m.rootDir()
	for _, link := range []struct{ name, target string }{
		{"absolute", "/gnu/store"}, {"relative", "../gnu"}, {"escape", "../../../../etc"},
		{"loop", "loop"}, {"twice", "/tmp/absolute/item"},
	} {
		if err := os.Symlink(link.target, filepath.Join(root, "tmp", link.name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ inside, want string }{
		{"/", ""},
		{"/etc/passwd", "/etc/passwd"},
		{"etc/passwd", "/etc/passwd"},
		{"/var/run/x", "/run/x"},
		{"/tmp/absolute/x", "/gnu/store/x"},
		{"/tmp/relative/store", "/gnu/store"},
		{"/tmp/escape/passwd", "/etc/passwd"},
		{"/../../etc", "/etc"},
		{"/tmp/twice/bin", "/gnu/store/item/bin"},
		{"/tmp/loop/x", "/tmp/loop/x"},
		{"/no/such/file", "/no/such/file"},
	} {
		if got := m.Path(test.inside); got != root+test.want {
			t.Errorf("%s: got %s, want %s", test.inside, got, root+test.want)
		}
	}
	if err := m.Install("/bin/sh", "/tmp/relative/new/sh"); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(root + "/gnu/new/sh")
	if err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("got %v, %v, want an executable file", st, err)
	}
	if n := len(m.Socket()); n > 107 {
		t.Errorf("the socket's path has %d bytes", n)
	}
}

func TestAHalfMadeMachineIsTakenBack(t *testing.T) {
	t.Parallel()
	// In a container, the files around a machine are an overlay's as well.
	outer := New(t)
	base := outer.Path("/tmp")
	if _, err := start(base, "/no/such/root"); err == nil {
		t.Fatal("got a machine over a root that is not there")
	}
	checkGone(t, filepath.Join(base, "tbfg-0"))

	dir, _, lock, err := claim(base)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	bystander := detach(t, outer)
	if procs, err := procsInside(dir); err != nil || len(procs) != 0 {
		t.Errorf("got %v, %v, want no processes", procs, err)
	}
	if err := wipe(dir); err != nil {
		t.Fatal(err)
	}
	checkGone(t, dir)
	if _, ok := rootOf(fmt.Sprintf("/proc/%d/root", bystander)); !ok {
		t.Error("a bystander was killed")
	}
}
