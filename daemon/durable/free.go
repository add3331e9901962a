package durable

import "golang.org/x/sys/unix"

// Free is how many bytes others than root may still write to a directory's
// disk.
func Free(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, err
	}
	return int64(disk.Bavail) * disk.Bsize, nil
}
