package guixdaemon

import (
	"bufio"
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"
)

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAnnouncedLengthsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	const huge = uint64(1) << 62
	for name, test := range map[string]struct {
		reply []byte
		do    func(*Conn) error
		err   string
	}{
		"a string": {
			wire(stderrLast, huge),
			func(c *Conn) error { _, err := c.QueryPathFromHashPart(ctx, "x"); return err },
			"a string of 4611686018427387904 bytes",
		},
		"a string within the limit": {
			wire(stderrLast, maxString),
			func(c *Conn) error { _, err := c.QueryPathFromHashPart(ctx, "x"); return err },
			"closed the connection",
		},
		"a list": {
			wire(stderrLast, huge),
			func(c *Conn) error { _, err := c.QueryReferences(ctx, helloPath); return err },
			"a list of 4611686018427387904 items",
		},
		"a list within the limit": {
			wire(stderrLast, maxItems),
			func(c *Conn) error { _, err := c.FindRoots(ctx); return err },
			"closed the connection",
		},
		"a list of substitutes within the limit": {
			wire(stderrLast, maxItems),
			func(c *Conn) error { _, err := c.QuerySubstitutablePathInfos(ctx, nil); return err },
			"closed the connection",
		},
		"log text": {
			wire(stderrNext, huge),
			func(c *Conn) error { return c.EnsurePath(ctx, helloPath) },
			"a piece of log of 4611686018427387904 bytes",
		},
		"log text within the limit": {
			wire(stderrNext, maxLog),
			func(c *Conn) error { return c.EnsurePath(ctx, helloPath) },
			"closed the connection",
		},
		"an error's text": {
			wire(stderrError, huge),
			func(c *Conn) error { return c.EnsurePath(ctx, helloPath) },
			"a string of 4611686018427387904 bytes",
		},
		"an error's text within the limit": {
			wire(stderrError, maxMessage),
			func(c *Conn) error { return c.EnsurePath(ctx, helloPath) },
			"closed the connection",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := answering(t, test.reply)
			var err error
			n := allocated(func() { err = test.do(c) })
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
			if n > 256<<10 {
				t.Errorf("allocated %d bytes", n)
			}
		})
	}
}

func TestAReplyAsAWholeIsLimited(t *testing.T) {
	// 64 KiB for each item of a list are within the limits; all are not.
	item := wire(strings.Repeat("x", maxString))
	const limit = 1 << 20
	d := &decoder{Reader: bufio.NewReader(bytes.NewReader(bytes.Repeat(item, 2*limit/len(item)))), left: limit}
	n := 0
	for d.err == nil {
		d.string()
		n++
	}
	if want := limit/len(item) + 1; n != want || !strings.Contains(d.err.Error(), "a reply of more than") {
		t.Errorf("read %d strings until %v, want %d", n, d.err, want)
	}
}

func TestBrokenRepliesAreRefused(t *testing.T) {
	ctx := context.Background()
	sum := strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		reply []byte
		do    func(*Conn) error
		err   string
	}{
		"a kind of message that Guix does not have": {
			wire(0x53545254, 1),
			func(c *Conn) error { return c.EnsurePath(ctx, helloPath) },
			"0x53545254 is no kind of message",
		},
		"padding that is not zero": {
			wire(stderrLast, 1, []byte("x\x00\x00\x01\x00\x00\x00\x00")),
			func(c *Conn) error { _, err := c.QueryPathFromHashPart(ctx, "x"); return err },
			"padding is not zero",
		},
		"a truth value of 2": {
			wire(stderrLast, 2),
			func(c *Conn) error { _, err := c.IsValidPath(ctx, helloPath); return err },
			"0x2 for a truth value",
		},
		"an operation done without success": {
			wire(stderrLast, 0),
			func(c *Conn) error { return c.AddTempRoot(ctx, helloPath) },
			"done without success",
		},
		"a path that is none": {
			wire(stderrLast, 1, "/etc/passwd"),
			func(c *Conn) error { _, err := c.QueryReferences(ctx, helloPath); return err },
			`store path "/etc/passwd"`,
		},
		"a path that climbs": {
			wire(stderrLast, "/gnu/store/../../etc"),
			func(c *Conn) error { _, err := c.AddTextToStore(ctx, "x", nil, nil); return err },
			`store path "/gnu/store/../../etc"`,
		},
		"no path where one must be": {
			wire(stderrLast, ""),
			func(c *Conn) error { _, err := c.AddTextToStore(ctx, "x", nil, nil); return err },
			`store path ""`,
		},
		"a hash that is too short": {
			wire(stderrLast, "", sum[:62], 0, 0, 0),
			func(c *Conn) error { _, err := c.QueryPathInfo(ctx, helloPath); return err },
			"is not a SHA-256",
		},
		"a hash that is none": {
			wire(stderrLast, "", "x"+sum[1:], 0, 0, 0),
			func(c *Conn) error { _, err := c.QueryPathInfo(ctx, helloPath); return err },
			"is not a SHA-256",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := answering(t, test.reply)
			err := test.do(c)
			if err == nil || !strings.Contains(err.Error(), "broken protocol") || !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want a broken protocol, %q", err, test.err)
			}
			if _, err := c.IsValidPath(ctx, helloPath); err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("the next operation: got %v, want the reason of the end", err)
			}
		})
	}
}
