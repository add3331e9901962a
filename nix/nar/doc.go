// Package nar reads and writes Nix archives, the serialised form of a store
// item: what is hashed, signed, compressed and sent.
//
// The format is the one of Nix and of guix-daemon (nix/libutil/archive.cc;
// guix/serialization.scm has the same in Scheme). An archive is a sequence
// of strings. Each string is its length in 8 bytes, little-endian, then its
// bytes, then zeros up to a multiple of 8:
//
//	archive   = "nix-archive-1" node
//	node      = "(" "type" ( regular | symlink | directory ) ")"
//	regular   = "regular" [ "executable" "" ] "contents" BYTES
//	symlink   = "symlink" "target" TARGET
//	directory = "directory" { "entry" "(" "name" NAME "node" node ")" }
//
// One tree has exactly one archive: entries are sorted by the bytes of their
// names, and owners, times and all permissions but one are left out. The
// Reader therefore refuses what a Writer would not write, and archives that
// are read and written again are identical.
package nar
