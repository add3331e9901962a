// Package machine gives each test, and the demo, computers of its own that run
// a real GNU Guix.
//
// A machine is an overlay over the tree that tests/guix-root makes: it has its
// own files, its own /gnu/store and /var/guix, and shares the host's loopback
// network, so that several of them make a farm. It is there within
// milliseconds and runs guix-daemon with ordinary isolated builds:
//
//	m := machine.New(t)
//	daemon, err := m.Daemon(t.Context())
//	conn, err := net.Dial("unix", m.Socket())
//
// Everything lies under /tmp/tbfg-N, whose number also chooses the user
// numbers of the machine's builders. This matters: guix-daemon kills whatever
// runs under a build user's number, on the whole host, and machines that
// shared numbers would kill each other's builds.
//
// Nothing is left behind. Close ends every process of the machine, however it
// detached itself, and unmounts. The owner of a machine holds a lock on its
// directory, which the kernel releases with the process: when an owner dies
// without Close, the next Start finds the directory unlocked and clears it up.
//
// Needs root, and Linux 5.4 for pidfd.
package machine
