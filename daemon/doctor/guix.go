package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
	"codeberg.org/tbfg/tbfg/nix/narinfo"
)

// GuixDaemon looks whether a guix-daemon answers at an address, which may be
// empty for the usual one.
func GuixDaemon(ctx context.Context, address string) Finding {
	const check = "guix-daemon"
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := guixdaemon.Dial(ctx, address)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return wrong(check, err.Error(), "let the farm's user connect: is it in the group of the socket?")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return wrong(check, err.Error(), "start it (\"herd start guix-daemon\" or \"systemctl start guix-daemon\"), or set daemon_socket")
	case err != nil:
		return wrong(check, err.Error(), "look into its log, or set daemon_socket to another")
	}
	defer conn.Close()
	builders, err := conn.BuiltinBuilders(ctx)
	if err != nil {
		return wrong(check, fmt.Sprintf("it speaks version %#x, but does not answer: %v", conn.ServerVersion(), err), "look into its log")
	}
	if !slices.Contains(builders, "download") {
		return doubt(check, fmt.Sprintf("it speaks version %#x and cannot download sources by itself", conn.ServerVersion()),
			"update Guix: most derivations begin with such a download")
	}
	return fine(check, "speaks version %#x", conn.ServerVersion())
}

// Keys reads the keys that an access control list of Guix lets sign
// substitutes.
func Keys(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return narinfo.Keys(text), nil
}
