package machine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command prepares a program of the machine to run in it, as root in /root,
// with a minimal environment and in a process group of its own, which is
// killed when the context is done. The caller may change all of that, and
// starts it; what still runs when the machine is closed is killed.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	path, err := m.lookPath(name)
	cmd := exec.CommandContext(ctx, path, args...)
	if cmd.Err = err; err != nil {
		return cmd
	}
	cmd.Args[0] = name
	cmd.Dir = "/root" // in the machine: the kernel gets it after the chroot
	cmd.Env = []string{
		"PATH=" + searchPath,
		"HOME=/root",
		"USER=root",
		"LC_ALL=C.UTF-8",
		"TERM=dumb",
		// Guile's notes on compiling a script are not what a test looks for.
		"GUILE_AUTO_COMPILE=0",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.rootDir(), Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// lookPath finds a program in the machine as exec.LookPath does on the host.
func (m *Machine) lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(m.Path(path)); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return name, &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// Run runs a program of the machine and returns what it wrote to standard
// output. When it fails, the error has what it wrote to standard error.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	return m.RunInput(ctx, "", name, args...)
}

// RunInput is Run with a text for the program's standard input.
func (m *Machine) RunInput(ctx context.Context, input, name string, args ...string) (string, error) {
	cmd := m.Command(ctx, name, args...)
	var out, diag bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &diag
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("run %s: %w\n%s", strings.Join(append([]string{name}, args...), " "), err, diag.Bytes())
	}
	return out.String(), nil
}

// Launch starts cmd, most often one made by Command, as a process of the
// machine: it is stopped when the machine is closed, and its log is shown
// when a test fails. The label names it there.
func (m *Machine) Launch(label string, cmd *exec.Cmd) (*Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.launch(label, cmd)
}

// launch is Launch for who holds m.mu.
func (m *Machine) launch(label string, cmd *exec.Cmd) (*Process, error) {
	if m.closed {
		return nil, fmt.Errorf("launch %s: the machine is closed", label)
	}
	m.launched++
	p, err := Launch(cmd, filepath.Join(m.dir, "log", fmt.Sprintf("%d-%s.log", m.launched, label)))
	if err != nil {
		return nil, err
	}
	m.processes = append(m.processes, p)
	return p, nil
}
