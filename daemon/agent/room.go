package agent

import (
	"errors"
	"fmt"
	"io/fs"

	"codeberg.org/tbfg/tbfg/daemon/durable"
	"codeberg.org/tbfg/tbfg/nix/storepath"
)

// A Disk is what is free where the agent needs room.
type Disk struct {
	Directory string `json:"directory"`
	Free      int64  `json:"free"` // bytes
}

// disks are those of the store and the spool. What cannot be looked at, such
// as the store of a daemon on another machine, is left out.
func (a *Agent) disks() (list []Disk) {
	for _, dir := range []string{string(storepath.DefaultDir), a.SpoolDir} {
		free, err := durable.Free(dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				a.Log.Debug("cannot see how much room there is", "directory", dir, "err", err)
			}
			continue
		}
		list = append(list, Disk{dir, free})
	}
	return list
}

// lookForRoom finds out whether a disk is too full for further builds, and
// says so once. It tells whether that has changed.
func (a *Agent) lookForRoom() (changed bool) {
	said, least := "", a.current.Load().MinFree
	for _, d := range a.disks() {
		if d.Free < least {
			said = fmt.Sprintf("%s has %d MB left, less than min_free_space (%d MB)", d.Directory, d.Free>>20, least>>20)
			break
		}
	}
	full := said != ""
	switch changed = a.full.Swap(full) != full; {
	case changed && full:
		a.Log.Warn("no more builds are asked for or begun: " + said + "; make room, for instance with guix gc")
	case changed:
		a.Log.Info("there is room for builds again")
	}
	return changed
}
