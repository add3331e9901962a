package coordinator

import (
	"context"
	"errors"
	"io"

	"codeberg.org/tbfg/tbfg/daemon"
)

// SaveLog keeps a build's whole log as an agent sends it.
func (c *Coordinator) SaveLog(ctx context.Context, agent, uuid, format string, body io.Reader) error {
	if _, err := heldOrLost(ctx, c.Store.Queries, agent, uuid); err != nil {
		return err
	}
	return c.Logs.Save(uuid, format, countedLog{body, c.Observe})
}

// A LogChunk says what a part of a log under way is.
type LogChunk struct {
	Offset  int64 // of its first byte
	Restart bool  // it begins the log anew
	// Final tells that the log ends with it; Size is then that of the whole.
	Final bool
	Size  int64
}

// logBuffer is how much of a chunk is in memory, in bytes.
const logBuffer = 64 << 10

// AppendLog adds a chunk to the log of a build that the agent has under way,
// and returns how much of the log is there. What arrived of a chunk stays,
// also when the rest does not come.
func (c *Coordinator) AppendLog(ctx context.Context, agent, uuid string, chunk LogChunk, body io.Reader) (size int64, err error) {
	if err := c.underWay(ctx, agent, uuid); err != nil {
		return 0, err
	}
	if chunk.Restart {
		if err := c.Logs.Restart(uuid); err != nil {
			return 0, err
		}
	}
	body = countedLog{body, c.Observe}
	buf := make([]byte, logBuffer)
	for offset := chunk.Offset; ; {
		n, read := body.Read(buf)
		if n > 0 || read == io.EOF {
			if size, err = c.Logs.Append(uuid, offset, buf[:n]); err != nil {
				return size, err
			}
			offset += int64(n)
		}
		if read == io.EOF {
			break
		}
		if read != nil {
			return size, daemon.Errorf(daemon.Invalid, "a chunk of the log ended early: %v", read)
		}
	}
	if !chunk.Final {
		return size, nil
	}
	return size, c.Logs.Finish(uuid, chunk.Size)
}

// LogSize is how many bytes of a log are there that the agent has under way.
func (c *Coordinator) LogSize(ctx context.Context, agent, uuid string) (int64, error) {
	if err := c.underWay(ctx, agent, uuid); err != nil {
		return 0, err
	}
	size, _ := c.Logs.Live(uuid)
	return size, nil
}

// underWay fails unless the agent holds a build that has not ended. That there
// is no such build is no different from its being another's: a code of its own
// would look like that of a route which is not there.
func (c *Coordinator) underWay(ctx context.Context, agent, uuid string) error {
	b, err := held(ctx, c.Store.Queries, agent, uuid)
	switch {
	case daemon.CodeOf(err) == daemon.NotFound:
		return daemon.Errorf(daemon.Denied, "the build %s is not allocated to the agent %s", uuid, agent)
	case err != nil:
		return err
	case b.State.Finished():
		return processed(b)
	}
	return nil
}

// endFiles keeps what there is of a log that will not go on, because its build
// has ended, and drops what has arrived of outputs.
func (c *Coordinator) endFiles(uuid string) {
	if err := errors.Join(c.Logs.End(uuid), c.Outputs.DropPartial(uuid)); err != nil {
		c.Log.Error("cannot put the files of build "+uuid+" in order", "err", err)
	}
}
