// Package guixdaemon is a client of guix-daemon: its socket, its protocol, and
// the build traces that it writes among a build's output.
//
// The protocol is Guix's own dialect of an old Nix one. Both sides number it
// 0x1MM: the major part 0x100 must agree, and which operations and fields
// exist follows the *server's* minor part. This client is 0x164, what Guix
// 1.5.0 speaks; it serves older daemons as far down as 0x10f, and is tested
// with the 0x163 of Guix 1.2.0. The sources of what is written here are
// guix/store.scm and guix/serialization.scm (the client in Guile) and
// nix/nix-daemon/nix-daemon.cc and nix/libstore/build.cc (the daemon) of Guix
// 1.5.0, and 1.2.0 where they differ.
//
// On the wire an integer is 8 bytes, least significant first. A string is its
// length, its bytes, and zeros up to a multiple of 8. A list is its length and
// its items. An operation is its number and its arguments; then the daemon
// sends log messages until it says that it is done or that it failed; then
// follows the reply. While the daemon works the client must be silent: the
// daemon takes anything it hears meanwhile as a broken protocol, and the end
// of the connection as an order to stop. So there is one operation at a time,
// and parallel builds are parallel connections.
//
// # Limits
//
// Nothing that the peer announces is allocated before it has arrived. A string
// of a reply may have 64 KiB, an error message 1 MiB, one piece of log 64 MiB
// (which is passed on as it comes and never held), a list 16 Mi items, and all
// the strings of a reply together 512 MiB. A peer that exceeds them is taken
// for a broken one: the operation fails and the connection is closed.
package guixdaemon
