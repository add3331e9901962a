package shepherd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test program plays a part of its own if this says so.
const part = "TBFG_SHEPHERD_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "inherit":
		playInherit()
	case "stop":
		playStop()
	default:
		os.Exit(m.Run())
	}
}

// child starts this program in a part, by way of a shell command that ends in
// "$0".
func child(t *testing.T, name, shell string, files ...*os.File) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", shell, self)
	cmd.Env = append(os.Environ(), part+"="+name)
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	return cmd
}

// playInherit says which sockets it has, by name.
func playInherit() {
	sockets, err := Inherit()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	for _, name := range []string{"agent", "client"} {
		listeners, err := sockets.Listen(name, []string{"127.0.0.1:0"})
		for _, l := range listeners {
			fmt.Println(name, l.Addr())
		}
		if err != nil {
			fmt.Println(name, "error:", err)
		}
	}
	fmt.Println("left:", os.Getenv("LISTEN_FDS"))
}

// inherited are files of listening sockets, and their addresses.
func inherited(t *testing.T, n int) (files []*os.File, addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files, addresses = append(files, f), append(addresses, l.Addr().String())
	}
	return files, addresses
}

func TestInheritedSocketsAreUsedInTheirNames(t *testing.T) {
	files, addresses := inherited(t, 3)
	out, err := child(t, "inherit", `LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=agent:other:agent exec "$0"`, files...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 4 || lines[0] != "agent "+addresses[0] || lines[1] != "agent "+addresses[2] {
		t.Fatalf("got %q, want the agent sockets %v first", lines, addresses)
	}
	if !strings.HasPrefix(lines[2], "client 127.0.0.1:") || slices.Contains(addresses, strings.TrimPrefix(lines[2], "client ")) {
		t.Errorf("got %q, want a socket of its own for clients", lines[2])
	}
	if lines[3] != "left:" {
		t.Errorf("got %q, want that children do not inherit them again", lines[3])
	}
}

func TestSocketsOfAnotherProcessAreNotTaken(t *testing.T) {
	files, addresses := inherited(t, 1)
	out, err := child(t, "inherit", `LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=agent exec "$0"`, files...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), addresses[0]) {
		t.Errorf("got %q, want sockets of its own", out)
	}
}

func TestListenWithoutInheritedSockets(t *testing.T) {
	var none Sockets
	listeners, err := none.Listen("agent", []string{"127.0.0.1:0", "localhost:0"})
	if err != nil || len(listeners) != 2 {
		t.Fatalf("got %v, %v; want two", listeners, err)
	}
	taken := listeners[0].Addr().String()
	for _, l := range listeners {
		defer l.Close()
	}
	if listeners, err := none.Listen("front", nil); err != nil || len(listeners) != 0 {
		t.Errorf("no addresses: got %v, %v; want none", listeners, err)
	}
	_, err = none.Listen("agent", []string{"127.0.0.1:0", taken})
	want := "listen for agents: listen tcp " + taken + ": bind: address already in use"
	if err == nil || err.Error() != want {
		t.Errorf("an address that is taken: got the error %v, want %s", err, want)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got the error %v, want %v in it", err, syscall.EADDRINUSE)
	}
}

// playStop does not end at the first signal.
func playStop() {
	ctx, cancel := UntilStopped(context.Background())
	defer cancel()
	fmt.Println("begun")
	<-ctx.Done()
	fmt.Println("told to stop")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
}

func TestASecondSignalKills(t *testing.T) {
	cmd := child(t, "stop", `exec "$0"`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begun" {
		t.Fatalf("got %q, %v; want that it begins", lines.Text(), lines.Err())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "told to stop" {
		t.Fatalf("got %q, %v; want that it is told to stop", lines.Text(), lines.Err())
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(time.Minute)
	// The first of these may still come before the default action is back.
	for again := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may be gone
		case <-deadline:
			t.Fatal("it does not end")
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("got %v, want that SIGTERM killed it", err)
			}
			return
		}
	}
}
