package agent

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
)

// describe completes what is known of outputs with what the daemon's database
// has.
func describe(ctx context.Context, conn *guixdaemon.Conn, outputs []daemon.Output) ([]daemon.Output, error) {
	var described []daemon.Output
	for _, o := range outputs {
		info, err := conn.QueryPathInfo(ctx, o.Path)
		if err != nil {
			return nil, err
		}
		o.Hash, o.Size, o.References = "sha256:"+base32.Encode(info.NarHash[:]), int64(info.NarSize), info.References
		described = append(described, o)
	}
	return described, nil
}

// deliverOutputs sends the outputs of a success, if the coordinator wants them.
// That it takes one not is no reason not to report the result.
func (j *job) deliverOutputs(r daemon.Result) error {
	if !j.b.KeepOutput {
		return nil
	}
	for _, o := range r.Outputs {
		err := j.courier.Output(j.work, j.entry, o)
		if j.work.Err() != nil {
			return context.Cause(j.work)
		}
		if err != nil {
			j.Log.Error("the output "+o.Name+" of build "+j.b.UUID+" could not be sent", "err", err)
		}
	}
	return nil
}
