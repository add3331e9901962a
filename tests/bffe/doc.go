// Package bffe has programs in Guile, on the libraries that BFFE uses, and tests
// that run them against a coordinator: Guile's strict reading of headers, streams
// and JSON is the judge of what front ends get.
//
//   - read.scm reads pages, also pipelined
//   - submit.scm submits a build
//   - follow.scm follows the stream of events and comes back to it
//   - stand-in.scm is a small front end in the place of BFFE
package bffe
