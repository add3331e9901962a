package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/daemon/secrets"
)

// Disk looks whether the disk of a directory has room; least is in bytes.
func Disk(what, dir string, least int64) Finding {
	const check = "disk"
	free, err := durable.Free(dir)
	if err != nil {
		return wrong(check, fmt.Sprintf("%s: cannot look at %s: %v", what, dir, err), "make it, or name another in the configuration")
	}
	switch {
	case free < least:
		return wrong(check, fmt.Sprintf("%s: %s has %d MB left, less than %d MB", what, dir, free>>20, least>>20),
			"make room: no builds are handed out before")
	case free < 2*least:
		return doubt(check, fmt.Sprintf("%s: %s has only %d MB left", what, dir, free>>20),
			fmt.Sprintf("make room: below %d MB no builds are handed out", least>>20))
	}
	return fine(check, "%s: %s has %d MB left", what, dir, free>>20)
}

// Secrets looks whether a directory of secrets is kept from others. It must
// belong to a user and a group.
func Secrets(dir string, uid, gid int) []Finding {
	const check = "secrets"
	problems, err := secrets.Check(dir, uid, gid)
	if errors.Is(err, fs.ErrPermission) {
		return []Finding{doubt(check, "they cannot be looked at: "+err.Error(), "run this as root or as the farm's user")}
	}
	if err != nil {
		return []Finding{wrong(check, err.Error(), "look at "+dir)}
	}
	var findings []Finding
	for _, p := range problems {
		findings = append(findings, wrong(check, p.File+" "+p.What, "run: "+p.Mend))
	}
	if findings == nil {
		findings = []Finding{fine(check, "%s is closed to others", dir)}
	}
	return findings
}

// Endpoint looks whether somebody listens at an address.
func Endpoint(ctx context.Context, name, address string) Finding {
	const check = "endpoint"
	dialer := net.Dialer{Timeout: limit}
	begun := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", Here(address))
	if err != nil {
		return wrong(check, fmt.Sprintf("%s: nobody answers at %s: %v", name, address, err),
			"start the farm: \"herd start tbfg\", \"systemctl start tbfg\" or \"tbfg serve\"")
	}
	conn.Close()
	return fine(check, "%s: %s answers (%v)", name, address, time.Since(begun).Round(time.Millisecond))
}

// Here is an address at which one on this machine reaches what listens at
// one, which may be all addresses.
func Here(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}
