package history

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A How is a way in which a write fails.
type How int32

// The ways in which a write fails.
const (
	NotDone        How = 1 // once, without effect
	AlthoughDone   How = 2 // once, with effect
	BrokenFromThen How = 3 // without effect, and so do all others until it is mended
)

func (h How) String() string {
	return map[How]string{NotDone: "not done", AlthoughDone: "done, but reported as failed", BrokenFromThen: "and all after it not done"}[h]
}

// Which says whose writes fail.
type Which int32

// The files whose writes fail.
const (
	DatabaseFiles Which = 0
	LogFiles      Which = 1 // and their directories
)

// A Disk fails the writes of one program to some of its files, see
// testdata/fault.c.
type Disk struct {
	*faults
	env []string // for the program
}

// faults is what is shared with the program.
type faults struct{ countdown, how, which, calls, failed int32 }

// NewDisk makes a disk that works.
func NewDisk(t testing.TB, which Which) *Disk {
	t.Helper()
	dir := t.TempDir()
	library, shared := filepath.Join(dir, "fault.so"), filepath.Join(dir, "faults")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", library, "testdata/fault.c", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("compile the failing disk: %v\n%s", err, out)
	}
	f, err := os.Create(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = int(unsafe.Sizeof(faults{}))
	if err := f.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(fmt.Errorf("share memory with the failing disk: %w", err))
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	d := &Disk{(*faults)(unsafe.Pointer(&memory[0])), []string{"LD_PRELOAD=" + library, "TBFG_FAULT=" + shared}}
	atomic.StoreInt32(&d.which, int32(which))
	return d
}

// Fail lets the nth write from now fail, counted from 1.
func (d *Disk) Fail(n int, how How) {
	atomic.StoreInt32(&d.failed, 0)
	atomic.StoreInt32(&d.how, int32(how))
	atomic.StoreInt32(&d.countdown, int32(n))
}

// Mend makes the disk work again.
func (d *Disk) Mend() { atomic.StoreInt32(&d.countdown, 0) }

// Failed counts the writes that have failed since Fail was called.
func (d *Disk) Failed() int { return int(atomic.LoadInt32(&d.failed)) }

// Writes counts the writes since the disk was made.
func (d *Disk) Writes() int { return int(atomic.LoadInt32(&d.calls)) }
