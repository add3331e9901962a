package coordinator

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/outputs"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// SaveOutput keeps an output of a build as an agent sends it. A coordinator
// that keeps none has told so with the build; who sends one all the same does
// so in vain.
func (c *Coordinator) SaveOutput(ctx context.Context, agent, uuid, name string, p outputs.Part, body io.Reader) error {
	if err := c.hasOutput(ctx, agent, uuid, name); err != nil {
		return err
	}
	if !c.settings().KeepOutputs {
		_, err := io.Copy(io.Discard, body)
		return err
	}
	_, err := c.Outputs.Save(uuid, name, p, body)
	return err
}

// OutputSize is how many bytes of an output have arrived.
func (c *Coordinator) OutputSize(ctx context.Context, agent, uuid, name string) (int64, error) {
	if err := c.hasOutput(ctx, agent, uuid, name); err != nil {
		return 0, err
	}
	size, err := c.Outputs.Partial(uuid, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = daemon.Errorf(daemon.NotFound, "nothing has arrived of the output %s of build %s", name, uuid)
	}
	return size, err
}

// hasOutput fails unless the agent may send a build's output of that name.
func (c *Coordinator) hasOutput(ctx context.Context, agent, uuid, name string) error {
	if _, err := heldOrLost(ctx, c.Store.Queries, agent, uuid); err != nil {
		return err
	}
	if err := daemon.CheckOutputName(name); err != nil {
		return err
	}
	b, err := c.Build(ctx, uuid)
	if err == nil && !slices.ContainsFunc(b.Outputs, func(o daemon.Output) bool { return o.Name == name }) {
		err = daemon.Errorf(daemon.NotFound, "the build %s has no output %s", uuid, name)
	}
	return err
}

// checkOutputs compares what an agent says of the outputs with what it sent.
func (c *Coordinator) checkOutputs(uuid string, r daemon.Result) error {
	if !c.settings().KeepOutputs {
		return nil
	}
	for _, o := range r.Outputs {
		if daemon.CheckOutputName(o.Name) != nil {
			continue
		}
		m, err := c.Outputs.Meta(uuid, o.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.Log.Warn("build "+uuid+" succeeded, but its output was not sent", "output", o.Name)
		case err != nil:
			return err
		case m.Hash != o.Hash:
			return daemon.Errorf(daemon.Invalid, "result: the output %s was sent with the hash %s, not %s", o.Name, m.Hash, o.Hash)
		}
	}
	return nil
}

// Kept is the kept output that a hash part of a store path stands for: as the
// newest build made it of which there is a file, or, unless that is empty, as
// that build did.
func (c *Coordinator) Kept(ctx context.Context, hashPart, build string) (k daemon.Kept, err error) {
	made, err := c.Store.Made(ctx, storepath.DefaultDir, hashPart)
	if err != nil {
		return k, err
	}
	for _, m := range made {
		if build != "" && m.Build != build {
			continue
		}
		meta, err := c.Outputs.Meta(m.Build, m.Name)
		// What was kept before the result was checked may be another thing.
		if errors.Is(err, fs.ErrNotExist) || err == nil && meta.Hash != m.Hash {
			continue
		}
		m.Size = meta.Size // the agent's word is not checked
		return daemon.Kept{Build: m.Build, Derivation: m.Derivation, Output: m.Output,
			Compression: meta.Compression, FileSize: meta.FileSize}, err
	}
	return k, daemon.Errorf(daemon.NotFound, "no output %.40q is kept", hashPart)
}

// forgetFiles deletes a build's log and outputs.
func (c *Coordinator) forgetFiles(uuid string) error {
	if err := c.Logs.Remove(uuid); err != nil {
		return err
	}
	return c.Outputs.Remove(uuid)
}
