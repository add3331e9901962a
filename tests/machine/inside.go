package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A proc is a running process of a machine.
type proc struct {
	pid      int
	program  string // base name of its executable file
	building bool   // its root is not the machine's: it is in a build's chroot
}

// procsInside finds the processes of the machine in dir by their root
// directory. A path would not do: builders have mounts of their own, in which
// the machine has no name. But whatever is in the overlay, also as seen
// from there, has the overlay's device number.
func procsInside(dir string) ([]proc, error) {
	root := filepath.Join(dir, "root")
	mounts, err := mountsBelow(root)
	if err != nil {
		return nil, err
	}
	// It must be our overlay and no other. Before that is mounted, the directory has the
	// device number of the host's file system, or of the overlay that
	// a container has for its own root: everything would seem to be inside.
	i := slices.IndexFunc(mounts, func(m mount) bool {
		return m.point == root && m.kind == "overlay" && strings.Contains(m.options, "upperdir="+dir+"/disk/up,")
	})
	if i < 0 {
		return nil, nil
	}
	top, ok := rootOf(root)
	host, hostOK := rootOf("/")
	if !ok || !hostOK || top.Dev == host.Dev || fmt.Sprintf("%d:%d", unix.Major(top.Dev), unix.Minor(top.Dev)) != mounts[i].dev {
		return nil, fmt.Errorf("find processes in %s: its device number is not the one of its mount", root)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var procs []proc
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		own, ok := rootOf("/proc/" + e.Name() + "/root")
		if !ok || own.Dev != top.Dev {
			continue
		}
		exe, _ := os.Readlink("/proc/" + e.Name() + "/exe")
		exe = strings.TrimSuffix(exe, " (deleted)")
		procs = append(procs, proc{pid, filepath.Base(exe), own.Ino != top.Ino})
	}
	return procs, nil
}

// rootOf tells which directory path leads to; false for a process that is
// dead, a zombie or a thread of the kernel.
func rootOf(path string) (unix.Stat_t, bool) {
	var st unix.Stat_t
	return st, unix.Stat(path, &st) == nil
}

// killAll kills the processes of the machine in dir that match, and those
// which they start meanwhile, and waits until they are gone.
func killAll(dir string, match func(proc) bool) error {
	for range 100 {
		procs, err := procsInside(dir)
		if err != nil {
			return err
		}
		var dying []unix.PollFd
		for _, p := range procs {
			if !match(p) {
				continue
			}
			fd, err := unix.PidfdOpen(p.pid, 0)
			if err != nil {
				continue // gone already
			}
			dying = append(dying, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			// The number may have passed to another process, but a pidfd cannot:
			// who is inside now is the one the pidfd stands for, or it is dead.
			if now, ok := rootOf(fmt.Sprintf("/proc/%d/root", p.pid)); ok {
				var top unix.Stat_t
				if unix.Stat(filepath.Join(dir, "root"), &top) == nil && now.Dev == top.Dev {
					unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
				}
			}
		}
		if len(dying) == 0 {
			return nil
		}
		err = waitGone(dying, 5000)
		for _, d := range dying {
			unix.Close(int(d.Fd))
		}
		if err != nil {
			return fmt.Errorf("kill processes in %s: %w", dir, err)
		}
	}
	return fmt.Errorf("kill processes in %s: there are always new ones", dir)
}

// waitGone waits until each of the pidfds tells that its process has ended.
func waitGone(pidfds []unix.PollFd, milliseconds int) error {
	for i := range pidfds {
		for {
			n, err := unix.Poll(pidfds[i:i+1], milliseconds)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return err
			}
			if n == 0 {
				return errors.New("some did not end in time")
			}
			break
		}
	}
	return nil
}
