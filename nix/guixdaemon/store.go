package guixdaemon

import (
	"context"
	"fmt"
	"io"

	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// AddToStore adds a file or, if recursive, any tree to the store, under a path
// made of its SHA-256 and name, and returns that. The item stays until the
// connection is closed, and then as long as something refers to it.
//
// nar is called once to write the archive, always a NAR: also for a flat file,
// of which only the contents count. It must write exactly one whole archive.
// With less the daemon waits for the rest, until the context ends; with more
// it closes the connection. When nar fails, so does the operation, and the
// connection is closed.
//
// The daemon keeps the whole archive in memory before it writes anything.
func (c *Conn) AddToStore(ctx context.Context, name string, recursive bool, nar func(io.Writer) error) (path storepath.Path, err error) {
	err = c.call(ctx, "add-to-store "+name, opAddToStore,
		func(e encoder) error {
			e.string(name)
			e.uint(1) // once told what the next fields are
			e.bool(recursive)
			e.string("sha256")
			if err := nar(e); err != nil {
				return fmt.Errorf("write archive: %w", err)
			}
			return nil
		},
		func(d *decoder) { path = d.path() })
	return path, err
}

// AddTextToStore adds a file with the given contents to the store, under a path
// made of their SHA-256, the name and the references, and returns that. This is
// how derivations come into a store. The references must be valid.
func (c *Conn) AddTextToStore(ctx context.Context, name string, text []byte, references []storepath.Path) (path storepath.Path, err error) {
	err = c.call(ctx, "add-text-to-store "+name, opAddTextToStore,
		args(func(e encoder) {
			e.string(name)
			e.bytes(text)
			writeStrings(e, references)
		}),
		func(d *decoder) { path = d.path() })
	return path, err
}

// EnsurePath makes path valid, by substitution if it is not valid yet. Unlike
// what is added or built, the item is no temporary root: to keep it call
// AddTempRoot first.
func (c *Conn) EnsurePath(ctx context.Context, path storepath.Path) error {
	return c.call(ctx, "ensure-path "+string(path), opEnsurePath,
		args(func(e encoder) { e.string(string(path)) }), (*decoder).done)
}

// A Mode says what Build does.
type Mode uint64

const (
	Normal Mode = 0 // build what is not valid
	Repair Mode = 1 // rebuild or fetch what is damaged; only root may
	Check  Mode = 2 // rebuild what is valid, and fail if the result differs
)

func (m Mode) String() string {
	switch m {
	case Normal:
		return "normal"
	case Repair:
		return "repair"
	case Check:
		return "check"
	}
	return fmt.Sprintf("Mode(%d)", uint64(m))
}

// Build builds or substitutes things, with all that they need: a thing is a
// derivation, a derivation and one of its outputs written "DRV!OUTPUT", or any
// other item, which can only be substituted. When a build fails the result is
// an *Error with one of the Status constants.
//
// One derivation at a time is best: the daemon starts builds before it reads
// the output of any, so that with many things builders can block for long and
// run into their time limits.
func (c *Conn) Build(ctx context.Context, things []string, mode Mode) error {
	what := "build-things"
	if len(things) == 1 {
		what += " " + things[0]
	}
	return c.call(ctx, what, opBuildThings,
		args(func(e encoder) {
			writeStrings(e, things)
			e.uint(uint64(mode))
		}), (*decoder).done)
}
