package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/secrets"

	"github.com/urfave/cli/v2"
)

// tokenFor is the client token to show to a coordinator on a host; empty for
// none.
func tokenFor(c *cli.Context, host string) (string, error) {
	file := c.String("token-file")
	if file == "" {
		return ownToken(c, host), nil
	}
	token, warning, err := config.ReadSecret(file)
	if warning != "" {
		fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", c.App.Name, warning)
	}
	return token, err
}

// ownToken is the client token of the farm on this machine, if a host is this
// machine by an address that wants a token, and whoever runs the command may
// read it; otherwise it is empty. It must not be shown to other machines.
func ownToken(c *cli.Context, host string) string {
	if !isOurs(c.Context, host) {
		return ""
	}
	conf, err := loadConfig(c)
	if err != nil {
		return ""
	}
	token, _, err := config.ReadSecret(tokenFile(conf))
	if err != nil {
		return "" // the coordinator says what it wants
	}
	return token
}

// tokenFile is where a farm has its client token.
func tokenFile(conf config.Config) string {
	if file := conf.Coordinator.ClientToken; file != "" {
		return file
	}
	return filepath.Join(secretsDir(conf), secrets.ClientToken)
}

// secretsDir is where a farm has its secrets.
func secretsDir(conf config.Config) string { return filepath.Join(conf.StateDir, "secrets") }

// isOurs tells whether all addresses of a host are this machine's, and beyond
// loopback.
func isOurs(ctx context.Context, host string) bool {
	there, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	here, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	ours := make(map[netip.Addr]bool)
	for _, a := range here {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			ours[prefix.Addr()] = !prefix.Addr().IsLoopback()
		}
	}
	for _, a := range there {
		if !ours[a.Unmap().WithZone("")] {
			return false
		}
	}
	return len(there) > 0
}
