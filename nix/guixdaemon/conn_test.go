// Guix builds without go.mod, where old timers are the default, on which
// synctest does not work.
//
//go:debug default=go1.25

package guixdaemon

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// building is a conversation in which the daemon hears of a build, says
// something, and then does what after does.
func building(after ...step) []step {
	script := append(hello(Version),
		step{'>', wire(opBuild, 1, string(drvPath), 0)},
		step{'<', wire(stderrNext, "working\n")})
	return append(script, after...)
}

const opBuild = int(opBuildThings)

// A signal is a log writer that tells of its first use.
type signal chan struct{}

func (s signal) Write(p []byte) (int, error) {
	close(s)
	return len(p), nil
}

// wantDead checks that c refuses further operations and names the reason.
func wantDead(t *testing.T, c *Conn, reason error) {
	t.Helper()
	_, err := c.IsValidPath(context.Background(), helloPath)
	if !errors.Is(err, ErrClosed) || !errors.Is(err, reason) {
		t.Errorf("the next operation: got %v, want ErrClosed because of %v", err, reason)
	}
}

func TestCancelEndsTheBuildAndTheConnection(t *testing.T) {
	// play insists that after "working" nothing but the end arrives.
	c := talk(t, building())
	reason := errors.New("the allocation was withdrawn")
	ctx, cancel := context.WithCancelCause(context.Background())
	started := make(signal)
	c.SetLog(started)
	go func() {
		<-started
		cancel(reason)
	}()
	err := c.Build(ctx, []string{string(drvPath)}, Normal)
	if !errors.Is(err, reason) || !strings.HasPrefix(err.Error(), "build-things "+string(drvPath)) {
		t.Errorf("got %v, want the cause of the cancellation", err)
	}
	wantDead(t, c, reason)
}

func TestCancelReachesTheDaemonThoughTheLogWriterHangs(t *testing.T) {
	closed := make(chan error, 1)
	socket := listen(t, func(nc net.Conn) error {
		err := play(nc, building())
		closed <- err
		return err
	})
	c, err := Dial(context.Background(), socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.SetLog(writerFunc(func(p []byte) (int, error) {
		cancel()
		<-closed
		return len(p), nil
	}))
	if err := c.Build(ctx, []string{string(drvPath)}, Normal); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDeadlineEndsASilentOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			for _, s := range building() {
				if s.kind == '<' {
					there.Write(s.bytes)
				} else {
					io.ReadFull(there, make([]byte, len(s.bytes)))
				}
			}
			io.Copy(io.Discard, there)
		}()
		c, err := NewConn(t.Context(), here)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		if err := c.Build(ctx, []string{string(drvPath)}, Normal); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(begin); took != 3*time.Hour {
			t.Errorf("took %v, want 3h", took)
		}
		wantDead(t, c, context.DeadlineExceeded)
	})
}

func TestAnEndedContextTouchesNothing(t *testing.T) {
	c := talk(t, append(hello(Version), step{'>', wire(1, string(helloPath))}, step{'<', wire(stderrLast, 1)}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.EnsurePath(ctx, helloPath); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if valid, err := c.IsValidPath(context.Background(), helloPath); !valid || err != nil {
		t.Errorf("the next operation: got %v, %v", valid, err)
	}
}

func TestOperationsTakeTurns(t *testing.T) {
	c := talk(t, building(step{'<', wire(stderrLast, 1)}))
	started, release := make(chan struct{}), make(chan struct{})
	c.SetLog(writerFunc(func(p []byte) (int, error) {
		close(started)
		<-release
		return len(p), nil
	}))
	built := make(chan error)
	go func() { built <- c.Build(context.Background(), []string{string(drvPath)}, Normal) }()
	<-started

	// Waiting for a turn respects the context, and costs the connection nothing.
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() { waited <- c.EnsurePath(ctx, helloPath) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the operation that waits: got %v, want context.Canceled", err)
	}
	close(release)
	if err := <-built; err != nil {
		t.Errorf("the operation that works: %v", err)
	}
}

func TestCloseEndsTheOperation(t *testing.T) {
	c := talk(t, building())
	started := make(signal)
	c.SetLog(started)
	go func() {
		<-started
		c.Close()
	}()
	if err := c.Build(context.Background(), []string{string(drvPath)}, Normal); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	wantDead(t, c, ErrClosed)
}

func TestADaemonThatVanishesIsAnUnexpectedEnd(t *testing.T) {
	for name, script := range map[string][]step{
		"before it answers":     building(step{kind: 'c'}),
		"in a log message":      building(step{'<', wire(stderrNext, 100, []byte("cut"))}, step{kind: 'c'}),
		"before the reply":      building(step{'<', wire(stderrLast)}, step{kind: 'c'}),
		"in an error's message": building(step{'<', wire(stderrError, 5)}, step{kind: 'c'}),
		"before it has read all of the request": append(hello(Version),
			step{'>', wire(opBuild)}, step{kind: 'c'}),
	} {
		t.Run(name, func(t *testing.T) {
			c := talk(t, script)
			err := c.Build(context.Background(), []string{string(drvPath)}, Normal)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "build-things "+string(drvPath)) {
				t.Errorf("got %v, want io.ErrUnexpectedEOF with operation and path", err)
			}
			var said *Error
			if errors.As(err, &said) {
				t.Errorf("%v passes for the daemon's answer", err)
			}
			wantDead(t, c, io.ErrUnexpectedEOF)
		})
	}
}

func TestAnErrorWithoutStatus(t *testing.T) {
	c := talk(t, building(step{'<', wire(stderrError, "schema mismatch")}, step{kind: 'c'}))
	err := c.Build(context.Background(), []string{string(drvPath)}, Normal)
	var said *Error
	if !errors.As(err, &said) || said.Message != "schema mismatch" || said.Status != StatusOther {
		t.Errorf("got %#v, want the daemon's message and status 1", err)
	}
	wantDead(t, c, io.ErrUnexpectedEOF)
}

func TestALogWritersErrorEndsTheOperation(t *testing.T) {
	c := talk(t, building())
	full := errors.New("disk full")
	c.SetLog(writerFunc(func([]byte) (int, error) { return 0, full }))
	if err := c.Build(context.Background(), []string{string(drvPath)}, Normal); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	wantDead(t, c, full)
}

func TestAnArchiveThatFailsEndsTheOperation(t *testing.T) {
	c := talk(t, append(hello(Version), step{'>', wire(7, "x", 1, 1, "sha256", "nix-archive-1")}))
	gone := errors.New("file vanished")
	_, err := c.AddToStore(context.Background(), "x", true, func(w io.Writer) error {
		w.Write(wire("nix-archive-1"))
		return gone
	})
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	wantDead(t, c, gone)
}

func TestLogTextArrivesBeforeTheDaemonIsDone(t *testing.T) {
	arrived := make(chan struct{})
	socket := listen(t, func(nc net.Conn) error {
		go func() {
			// Half of a message, and not more until that was passed on.
			nc.Write(wire(serverMagic, Version, stderrLast, stderrNext, 8, []byte("half")))
			<-arrived
			nc.Write(wire([]byte("done"), stderrLast, 1))
		}()
		_, err := io.Copy(io.Discard, nc)
		return err
	})
	c, err := Dial(context.Background(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []string
	c.SetLog(writerFunc(func(p []byte) (int, error) {
		if got = append(got, string(p)); len(got) == 1 {
			close(arrived)
		}
		return len(p), nil
	}))
	if err := c.EnsurePath(context.Background(), helloPath); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "|") != "half|done" {
		t.Errorf("got %q, want half and done", got)
	}
}
