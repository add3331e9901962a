package shepherd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadyWritesThePIDFileWhole(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	dir := filepath.Join(t.TempDir(), "run", "tbfg") // is made
	file := filepath.Join(dir, "tbfg.pid")
	for range 2 { // also over an old one
		if err := Ready(file); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil || string(text) != strconv.Itoa(os.Getpid())+"\n" {
			t.Fatalf("got %q, %v; want this process", text, err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("got the mode %v, %v; want 0644: others look at it", info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v; want nothing beside the PID file", entries, err)
	}
	for range 2 { // also if it is gone
		if err := Stopped(file); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("got %v, want that the file is gone", err)
		}
	}
}

// Whoever reads the PID file at any moment reads a whole one.
func TestThePIDFileIsNeverSeenInPart(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	file := filepath.Join(t.TempDir(), "tbfg.pid")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			if err := Ready(file); err != nil {
				t.Error(err)
			}
		}
	}()
	want := strconv.Itoa(os.Getpid()) + "\n"
	for {
		text, err := os.ReadFile(file)
		if err == nil && string(text) != want {
			t.Fatalf("got %q, want %q", text, want)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestReadyWithoutAPIDFile(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Ready(""); err != nil {
		t.Errorf("ready: got the error %v, want none", err)
	}
	if err := errors.Join(Stopping(), Stopped("")); err != nil {
		t.Errorf("stopping: got the error %v, want none", err)
	}
}

func TestAPIDFileThatCannotBeWritten(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	dir := t.TempDir()
	occupied := filepath.Join(dir, "directory")
	if err := os.MkdirAll(filepath.Join(occupied, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{occupied, filepath.Join(dir, "file", "tbfg.pid")} {
		if err := Ready(file); err == nil || !strings.HasPrefix(err.Error(), "write the PID file: ") {
			t.Errorf("%s: got the error %v, want one", file, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("got %v, %v; want no temporary file", entries, err)
	}
}

func TestTheServiceManagerIsNotified(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	for _, tt := range []struct {
		do   func(string) error
		want string
	}{{Ready, "READY=1"}, {func(string) error { return Stopping() }, "STOPPING=1"}} {
		if err := tt.do(""); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 100)
		n, err := conn.Read(message)
		if err != nil || string(message[:n]) != tt.want {
			t.Errorf("got %q, %v; want %q", message[:n], err, tt.want)
		}
	}
}

func TestAServiceManagerThatIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Ready(""); err == nil || !strings.HasPrefix(err.Error(), "notify the service manager: ") {
		t.Errorf("ready: got the error %v, want one", err)
	}
	if err := Stopping(); err == nil || !strings.HasPrefix(err.Error(), "notify the service manager: ") {
		t.Errorf("stopping: got the error %v, want one", err)
	}
}

// What the service manager hears while the process runs.
func TestTheServiceManagerIsKeptInformed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	healths := make(chan string) // which one is well unless it is empty
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Tell(ctx, func() (string, bool) {
			select {
			case h := <-healths:
				return "status " + h, h != "ill"
			case <-ctx.Done():
				return "over", false
			}
		})
	}()
	for _, tt := range []struct{ health, want string }{
		{"one", "STATUS=status one\nWATCHDOG=1"}, {"one", "WATCHDOG=1"}, {"ill", "STATUS=status ill"}, {"ill", ""},
		{"two\nREADY=1", "STATUS=status two\\nREADY=1\nWATCHDOG=1"},
	} {
		healths <- tt.health
		if tt.want == "" {
			continue // the next message shows that there was none
		}
		message := make([]byte, 100)
		n, err := conn.Read(message)
		if err != nil || string(message[:n]) != tt.want {
			t.Errorf("%q: got %q, %v; want %q", tt.health, message[:n], err, tt.want)
		}
	}
	cancel()
	<-ended
}

func TestUntilStopped(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		ctx, cancel := UntilStopped(t.Context())
		defer cancel()
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			t.Fatalf("%v: the context does not end", sig)
		}
	}
}

func TestUntilStoppedByItsParent(t *testing.T) {
	parent, stop := context.WithCancel(t.Context())
	ctx, cancel := UntilStopped(parent)
	defer cancel()
	stop()
	<-ctx.Done()
}
