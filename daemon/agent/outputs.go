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
