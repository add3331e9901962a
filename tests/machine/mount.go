package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountOverlay mounts, at dir/root, an overlay over root that writes to
// dir/disk, with the host's /proc and /dev in it.
//
// Where mounts propagate, as they do under systemd, two things are needed. The
// overlay must not appear in other namespaces, and a builder in it must be able
// to change its root, which the kernel forbids when the root's parent mount
// propagates. So dir/root is first mounted on itself and made private. What
// the host mounts in /dev shows in the machine, and nothing the other way.
func mountOverlay(root, dir string) error {
	disk, at := filepath.Join(dir, "disk"), filepath.Join(dir, "root")
	if err := errors.Join(os.Mkdir(disk, 0o755), os.Mkdir(at, 0o755)); err != nil {
		return err
	}
	if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on itself: %w", at, err)
	}
	if err := unix.Mount("", at, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make %s private: %w", at, err)
	}
	err := overlay(root, disk, at)
	if errors.Is(err, unix.EINVAL) {
		// An overlay cannot write to an overlay, which is what a container
		// usually has for /tmp. Memory can always stand in.
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount tmpfs: %w", err)
		}
		err = overlay(root, disk, at)
	}
	if err != nil {
		return fmt.Errorf("mount overlay over %s: %w", root, err)
	}
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"/proc", at + "/proc", unix.MS_BIND},
		{"", at + "/proc", unix.MS_PRIVATE},
		{"/dev", at + "/dev", unix.MS_BIND | unix.MS_REC},
		{"", at + "/dev", unix.MS_SLAVE | unix.MS_REC},
	} {
		if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// overlay mounts with "volatile", which leaves out every fsync: nothing in a
// machine has to survive a power failure, and to unmount an ordinary overlay is
// to wait until all that anybody has written is on the disk. Linux before 5.10 does not know it.
func overlay(root, disk, at string) error {
	up, work := filepath.Join(disk, "up"), filepath.Join(disk, "work")
	if err := errors.Join(os.MkdirAll(up, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	lower := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(root)
	options := "lowerdir=" + lower + ",upperdir=" + up + ",workdir=" + work
	err := unix.Mount("overlay", at, "overlay", 0, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", at, "overlay", 0, options)
	}
	return err
}

// A mount is what this package needs of a line of mountinfo.
type mount struct {
	point   string // where it is mounted
	dev     string // the device number of its file system, "0:45"
	kind    string // the type of its file system
	options string // and its options
}

// mountsBelow lists the mounts at dir or below it, in the order they were made.
func mountsBelow(dir string) ([]mount, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var mounts []mount
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		end := slices.Index(fields, "-")
		if len(fields) < 6 || end < 0 || end+3 >= len(fields) {
			return nil, fmt.Errorf("read mountinfo: unknown form of line %q", line)
		}
		point := unescape.Replace(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			mounts = append(mounts, mount{point, fields[2], fields[end+1], fields[end+3]})
		}
	}
	return mounts, nil
}

// unmountBelow unmounts all that is mounted below dir. A file system that
// somebody outside the machine still uses goes away lazily. After success
// nothing is mounted there.
func unmountBelow(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		err := unix.Unmount(m.point, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(m.point, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		}
		// A mount that the host took away in the meantime is not an error; what is left is.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", m.point, err)
		}
	}
	left, err := mountsBelow(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("unmount %s: still mounted: %v", dir, left)
	}
	return err
}
