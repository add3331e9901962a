package guixdaemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyOperation calls each operation whose answer a peer can forge.
var everyOperation = []func(context.Context, *Conn) error{
	func(ctx context.Context, c *Conn) error { return c.SetOptions(ctx, Options{}) },
	func(ctx context.Context, c *Conn) error { _, err := c.IsValidPath(ctx, helloPath); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.QueryValidPaths(ctx, nil); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.QueryPathInfo(ctx, helloPath); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.QueryReferences(ctx, helloPath); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.QueryDerivationOutputs(ctx, drvPath); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.QueryPathFromHashPart(ctx, ""); return err },
	func(ctx context.Context, c *Conn) error {
		_, err := c.QuerySubstitutablePathInfos(ctx, nil)
		return err
	},
	func(ctx context.Context, c *Conn) error { _, err := c.BuiltinBuilders(ctx); return err },
	func(ctx context.Context, c *Conn) error { _, err := c.SubstituteURLs(ctx); return err },
	func(ctx context.Context, c *Conn) error {
		_, err := c.AddToStore(ctx, "x", true, func(io.Writer) error { return nil })
		return err
	},
	func(ctx context.Context, c *Conn) error { _, err := c.AddTextToStore(ctx, "x", nil, nil); return err },
	func(ctx context.Context, c *Conn) error { return c.EnsurePath(ctx, helloPath) },
	func(ctx context.Context, c *Conn) error { return c.Build(ctx, nil, Normal) },
	func(ctx context.Context, c *Conn) error { return c.AddTempRoot(ctx, helloPath) },
	func(ctx context.Context, c *Conn) error { return c.AddIndirectRoot(ctx, "/x") },
	func(ctx context.Context, c *Conn) error { return c.SyncWithGC(ctx) },
	func(ctx context.Context, c *Conn) error { _, err := c.FindRoots(ctx); return err },
	func(ctx context.Context, c *Conn) error {
		_, _, err := c.CollectGarbage(ctx, GCReturnDead, nil, 0)
		return err
	},
}

// FuzzReply lets a peer answer one operation after another with any bytes. It
// must end without panic, in an error of one of the known kinds, and must not
// make the client allocate more than a small multiple of what was sent.
func FuzzReply(f *testing.F) {
	for i := range everyOperation {
		f.Add(byte(i), wire(stderrNext, "log\n", stderrLast, 1, string(helloPath), 0, 0))
	}
	f.Add(byte(3), wire(stderrLast, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1, string(helloPath), 1, 1))
	f.Add(byte(7), wire(stderrLast, 1, string(helloPath), string(helloDrv), 1, string(glibcPath), 1, 1))
	f.Add(byte(13), wire(stderrError, "failed", 100))
	f.Fuzz(func(t *testing.T, first byte, reply []byte) {
		c := answering(t, reply)
		n := allocated(func() {
			for i := int(first); ; i++ {
				err := everyOperation[i%len(everyOperation)](context.Background(), c)
				var said *Error
				if err != nil && !errors.As(err, &said) {
					break // the connection is dead; the end of the reply makes it so at last
				}
			}
		})
		if limit := uint64(1<<20 + 64*len(reply)); n > limit {
			t.Errorf("%d bytes made the client allocate %d", len(reply), n)
		}
		if _, err := c.IsValidPath(context.Background(), helloPath); !errors.Is(err, ErrClosed) {
			t.Errorf("the connection survived: %v", err)
		}
	})
}

// FuzzHandshake lets a peer greet with any bytes.
func FuzzHandshake(f *testing.F) {
	f.Add(wire(serverMagic, Version, stderrLast))
	f.Add(wire(serverMagic, Version, stderrError, "failed"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Fuzz(func(t *testing.T, greeting []byte) {
		c, err := NewConn(context.Background(), canned{Reader: bytes.NewReader(greeting)})
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
	})
}

// FuzzTrace checks that what a Trace finds does not depend on how the text is
// cut, and that nothing gets lost.
func FuzzTrace(f *testing.F) {
	for _, test := range traces {
		if len(test.in) < 1000 {
			f.Add([]byte(test.in), uint16(3), test.plain)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16, plain bool) {
		if len(in) > 4096 {
			t.Skip("recording byte by byte is slow; TestTrace has long lines")
		}
		whole, pieces := &Trace{Plain: plain}, &Trace{Plain: plain}
		want, got := record(whole), record(pieces)
		whole.Write(in)
		whole.Flush()
		for piece := range slices.Chunk(in, int(cut)+1) {
			if n, err := pieces.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("Write: got %d, %v", n, err)
			}
		}
		pieces.Flush()
		if diff := cmp.Diff(*want, *got); diff != "" {
			t.Fatalf("whole and cut differ (-whole +cut):\n%s", diff)
		}

		// Everything comes out again, in order. Only the heads of frames
		// and the ends of events' lines do not.
		replay := &Trace{Plain: plain}
		var out []byte
		dropped := 0
		replay.Text = func(p []byte) error { out = append(out, p...); return nil }
		replay.BuildLog = func(_ int, p []byte) error { return replay.Text(p) }
		replay.Event = func(e Event) error { dropped++; return replay.Text([]byte(e.String())) }
		replay.Write(in)
		replay.Flush()
		if !subsequence(out, in) {
			t.Errorf("%q came out where %q went in", out, in)
		}
		if framed := bytes.Contains(in, []byte("@ build-log ")); !framed && len(out)+dropped != len(in) {
			t.Errorf("of %d bytes %d came out, and %d events", len(in), len(out), dropped)
		}
	})
}

// subsequence tells whether striking bytes from whole can leave part.
func subsequence(part, whole []byte) bool {
	for _, b := range whole {
		if len(part) > 0 && part[0] == b {
			part = part[1:]
		}
	}
	return len(part) == 0
}
