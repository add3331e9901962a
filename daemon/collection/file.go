package collection

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// fromFile reads derivations from a file, one a line; empty lines and those
// that begin with # are left out.
func fromFile(c *daemon.Collection) (revision string, found []Found, err error) {
	f, err := os.Open(c.File)
	if err != nil {
		return "", nil, daemon.Errorf(daemon.Invalid, "read the derivations of collection %s: %v", c.Name, err)
	}
	defer f.Close()
	found, err = readDerivations(f)
	if err != nil {
		return "", nil, daemon.Errorf(daemon.Invalid, "read the derivations of collection %s: %s: %v", c.Name, c.File, err)
	}
	return digest(found), found, nil
}

func readDerivations(r io.Reader) (found []Found, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := storepath.DefaultDir.Parse(line)
		if err == nil && !p.IsDerivation() {
			err = fmt.Errorf("%s is not a derivation", p)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(found) == maxPackages {
			return nil, fmt.Errorf("there are more than %d derivations", maxPackages)
		}
		name, version := split(p)
		found = append(found, Found{Name: name, Version: version, Derivation: string(p)})
	}
	return found, lines.Err()
}
