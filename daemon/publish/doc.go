// Package publish serves the outputs that the coordinator keeps as signed
// substitutes, as "guix publish" does for a store (guix/scripts/publish.scm):
//
//	GET /nix-cache-info
//	GET /HASH.narinfo                             what there is of a store item
//	GET /nar/lzip|zstd|none/BUILD/HASH-NAME       its archive, as the agent sent it
//	GET /signing-key.pub                          for "guix archive --authorize"
//
// There is the newest build's of each item. The build stands in the URL of the
// archive because builds of one item may differ: a client can have the narinfo
// of one build in its cache when there is another, and must not get an archive
// of a hash that it does not expect.
//
// A signature says that an agent of the farm sent the archive as what the build
// made. Whoever authorizes the key trusts the agents.
package publish
