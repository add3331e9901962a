// Package science tests collections with the real derivations of Guix's algebra
// and maths packages: this machine's guix computes them, and a stand-in data
// service serves the same. A simulated agent says what becomes of the builds.
package science
