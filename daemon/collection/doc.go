// Package collection keeps the farm's collections up to date: it asks each
// one's source for derivations (this machine's guix, a Guix Data Service, or a
// file), submits builds of what is new, and records the evaluation. All changes
// go through the coordinator.
package collection
