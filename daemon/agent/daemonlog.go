package agent

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/tbfg/tbfg/nix/storepath"

	"github.com/klauspost/compress/gzip"
)

// daemonLogs is where guix-daemon keeps the logs of builds, in directories
// named by the first two characters of the derivations' names, unless it was
// built for another place.
const daemonLogs = "/var/log/guix/drvs"

// openDaemonLog opens the log that guix-daemon on this machine has of a
// derivation's last build.
func openDaemonLog(drv storepath.Path) (io.ReadCloser, error) {
	name := filepath.Join(daemonLogs, drv.Base()[:2], drv.Base()[2:])
	for _, suffix := range []string{".gz", ".bz2", ""} {
		f, err := os.Open(name + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var text io.Reader = f
		switch suffix {
		case ".gz":
			if text, err = gzip.NewReader(f); err != nil {
				f.Close()
				return nil, fmt.Errorf("read %s: %w", f.Name(), err)
			}
		case ".bz2":
			text = bzip2.NewReader(f)
		}
		return struct {
			io.Reader
			io.Closer
		}{text, f}, nil
	}
	return nil, fmt.Errorf("the guix-daemon has no log %s.gz", name)
}

// completeLog adds to the log what the daemon has and we did not hear. It
// leaves a log alone that is not the beginning of the daemon's.
func (j *job) completeLog() error {
	theirs, err := openDaemonLog(j.b.Derivation)
	if err != nil {
		return err
	}
	defer theirs.Close()
	size, _, _ := j.log.State()
	if err := sameText(j.log.Part(0, size), theirs, size); err != nil {
		return err
	}
	_, err = io.Copy(j.log, theirs)
	return err
}

// sameText fails unless two readers have the same next bytes.
func sameText(a, b io.Reader, size int64) error {
	p, q := make([]byte, 32<<10), make([]byte, 32<<10)
	for size > 0 {
		n := min(size, int64(len(p)))
		if _, err := io.ReadFull(a, p[:n]); err != nil {
			return err
		}
		if _, err := io.ReadFull(b, q[:n]); err != nil || !bytes.Equal(p[:n], q[:n]) {
			return errors.New("the guix-daemon has the log of another build")
		}
		size -= n
	}
	return nil
}
