// Package shepherd is how the process lives: the sockets that it inherits,
// how it says that it is ready, how it is told to stop, and how it logs.
//
// Under the Shepherd readiness is the PID file or the inherited sockets;
// under systemd it is the notification. Run by hand it needs neither.
package shepherd
