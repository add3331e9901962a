package courier

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/agent/spool"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/nar"
)

// Output delivers an output, which must stay in the store meanwhile. It is
// compressed into the spool once, so that nothing has to be compressed again
// when a connection breaks. An agent that was killed compresses again, to the
// same bytes, and goes on where the coordinator has got to. An error is a
// refusal, of a ctx that has ended, or of the disk.
func (c *Courier) Output(ctx context.Context, e *spool.Entry, o daemon.Output) error {
	leave, err := c.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	f, err := os.OpenFile(e.File(o.Name+".nar"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("spool an output: %w", err)
	}
	defer f.Close()
	defer os.Remove(f.Name())
	if err := c.pack(ctx, f, o); err != nil {
		return fmt.Errorf("spool an output: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("spool an output: %w", err)
	}
	u := &outputUpload{Courier: c, build: e.Build.UUID, o: o, f: f, size: size}
	return c.Insist(ctx, "send an output", u.send)
}

// pack writes the output's compressed NAR. What is not as the daemon says must
// not be sent.
func (c *Courier) pack(ctx context.Context, w io.Writer, o daemon.Output) error {
	c.mu.Lock()
	compression := c.compression
	c.mu.Unlock()
	z, err := NewCompressor(compression, w)
	if err != nil {
		return err
	}
	hash := sha256.New()
	err = nar.Dump(io.MultiWriter(hash, untilDone{ctx, z}), string(o.Path))
	if err = errors.Join(err, z.Close()); err != nil {
		return err
	}
	if got := "sha256:" + base32.Encode(hash.Sum(nil)); got != o.Hash {
		return fmt.Errorf("%s has the hash %s, but the guix-daemon says %s; \"guix gc --verify=contents\" tells more", o.Path, got, o.Hash)
	}
	return nil
}

// untilDone stops writing when its context ends.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.Writer.Write(p)
}

type outputUpload struct {
	*Courier
	build string
	o     daemon.Output
	f     *os.File
	size  int64
	anew  bool // what the coordinator has is of no use
}

// send sends what the coordinator does not have.
func (u *outputUpload) send(ctx context.Context) error {
	var offset int64
	if !u.anew {
		there, err := u.API.OutputSize(ctx, u.build, u.o.Name)
		var status *wire.StatusError
		switch {
		case err == nil && there <= u.size:
			offset = there
		case err != nil && (!errors.As(err, &status) || !missing(status)):
			return err // missing: nothing is there, or partial uploads are unknown
		}
	}
	err := u.API.SendOutput(ctx, u.build, u.o.Name, u.o.Hash, offset, io.NewSectionReader(u.f, offset, u.size-offset), u.size-offset)
	var status *wire.StatusError
	switch {
	case err == nil || !errors.As(err, &status):
		return err
	case status.Status == http.StatusConflict:
		// An upload that we believed dead is not yet.
		return fmt.Errorf("the coordinator has something else: %v", err)
	case offset > 0 && (missing(status) || status.Status == http.StatusBadRequest):
		u.anew = true // the beginning may be another compressor's
		return fmt.Errorf("the coordinator cannot go on with the upload: %v", err)
	}
	return err
}
