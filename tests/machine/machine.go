package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Machine is an overlay over a root, and what runs in it. Its methods may
// be called from several goroutines.
type Machine struct {
	dir  string   // /tmp/tbfg-N
	lock *os.File // dir, locked: the sign that the owner lives

	mu        sync.Mutex // guards what follows; held while processes are started or stopped
	processes []*Process // in the order of their start
	daemon    *Process   // the last one started
	launched  int        // for the names of logs
	closed    bool
}

// base is where machines live. It must not depend on TMPDIR: the numbers
// of build users are handed out by the names in it, and the path of a unix
// socket may have no more than 107 bytes.
const base = "/tmp"

// Numbers of build users, from a range that no distribution assigns (see
// systemd's table of user numbers).
const (
	firstUID    = 60600
	buildUsers  = 8
	maxMachines = 64
)

// Start makes a machine over root and mounts it; nothing runs in it yet. It
// also clears up after machines whose owners died. The caller must Close it.
func Start(ctx context.Context, root string) (*Machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// A machine that cannot be cleared is no reason not to have another one,
	// unless there are no numbers left.
	swept := Sweep()
	m, err := start(base, root)
	if err != nil {
		return nil, errors.Join(err, swept)
	}
	return m, nil
}

func start(base, root string) (*Machine, error) {
	dir, number, lock, err := claim(base)
	if err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	m := &Machine{dir: dir, lock: lock}
	if err := m.furnish(root, firstUID+number*buildUsers); err != nil {
		return nil, errors.Join(fmt.Errorf("start machine %s: %w", dir, err), m.Close())
	}
	return m, nil
}

func (m *Machine) furnish(root string, uid int) error {
	if err := os.Mkdir(filepath.Join(m.dir, "log"), 0o755); err != nil {
		return err
	}
	if err := mountOverlay(root, m.dir); err != nil {
		return err
	}
	return m.numberBuildUsers(uid)
}

// claim makes and locks the first free directory base/tbfg-N. It tolerates
// a Sweep that comes between the making and the locking.
func claim(base string) (dir string, number int, lock *os.File, err error) {
	for number := range maxMachines {
		dir := filepath.Join(base, "tbfg-"+strconv.Itoa(number))
		if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return "", 0, nil, err
		}
		if lock, err := tryLock(dir); err != nil {
			return "", 0, nil, err
		} else if lock != nil {
			return dir, number, lock, nil
		}
	}
	return "", 0, nil, fmt.Errorf("all of %s/tbfg-0 to %d are taken", base, maxMachines-1)
}

// tryLock locks a machine's directory. It returns nil when another process
// has it, or has just removed it, or when it is not a directory of ours:
// anybody may make names in /tmp.
func tryLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return nil, nil
		}
		return nil, err
	}
	mine := false
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		var held, now unix.Stat_t
		if err = unix.Fstat(int(f.Fd()), &held); err == nil && unix.Lstat(dir, &now) == nil {
			mine = held.Ino == now.Ino && held.Dev == now.Dev && held.Uid == uint32(os.Geteuid())
		}
	} else if err == unix.EWOULDBLOCK {
		err = nil
	}
	if !mine || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// numberBuildUsers gives the build users the numbers from first on.
func (m *Machine) numberBuildUsers(first int) error {
	file := m.Path("/etc/passwd")
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	n := 0
	for i, line := range lines {
		field := strings.Split(line, ":")
		if strings.HasPrefix(line, "guixbuilder") && len(field) > 2 && n < buildUsers {
			field[2] = strconv.Itoa(first + n)
			lines[i] = strings.Join(field, ":")
			n++
		}
	}
	if n == 0 {
		return errors.New("number build users: no guixbuilder in " + file)
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644)
}

// Close stops everything in the machine and removes it. It may be called
// more than once.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	for i := len(m.processes) - 1; i >= 0; i-- {
		m.processes[i].Stop(2 * time.Second)
	}
	err := wipe(m.dir)
	m.lock.Close()
	if err != nil {
		return fmt.Errorf("close machine: %w", err)
	}
	return nil
}

// Sweep clears up after machines whose owners died without Close. Start does
// this too.
func Sweep() error { return sweep(base) }

func sweep(base string) error {
	dirs, err := filepath.Glob(filepath.Join(base, "tbfg-*"))
	if err != nil {
		return err
	}
	var failed []error
	for _, dir := range dirs {
		if _, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "tbfg-")); err != nil {
			continue
		}
		lock, err := tryLock(dir)
		if err == nil && lock != nil {
			err = wipe(dir)
			lock.Close()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("sweep machine %s: %w", dir, err))
		}
	}
	return errors.Join(failed...)
}

// wipe kills, unmounts and removes what is under a machine's directory, and
// the directory. The caller holds its lock.
func wipe(dir string) error {
	if err := killAll(dir, func(proc) bool { return true }); err != nil {
		return err
	}
	if err := unmountBelow(dir); err != nil {
		return err // and delete nothing: what is still mounted there is the host's
	}
	// The overlay's mount point only by rmdir, which a mount prevents.
	for _, err := range []error{
		os.RemoveAll(filepath.Join(dir, "disk")),
		os.RemoveAll(filepath.Join(dir, "log")),
		os.Remove(filepath.Join(dir, "root")),
		os.Remove(dir),
	} {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove machine: %w", err)
		}
	}
	return nil
}
