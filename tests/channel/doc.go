// Package channel tests the Guix channel of this repository (guix/,
// .guix-channel, docs/examples) with a real Guix: operating systems are
// computed down to their derivations, what services contribute to them is
// lowered and then really run, in a real Shepherd with the program of this
// tree.
//
// Nothing is built by Guix, since the network is not needed. One process of
// Guile evaluates everything, see evaluate.scm.
package channel
